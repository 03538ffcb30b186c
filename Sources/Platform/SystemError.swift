internal import CSystem
import Glibc

/// A failed system call: what was tried, on what, why it failed, and how to fix it.
package struct SystemError: NamedError, ClassifiedError, CustomStringConvertible, Sendable, Equatable {
  /// The `errno` of the call (errno(3)).
  package let code: CInt
  /// The attempted operation, as a verb that follows "cannot": "open", "rename".
  let operation: String
  /// The object of the operation, usually a path.
  let subject: String

  // A default argument is evaluated after the explicit ones, so an expression for `subject` must not change errno.
  // Calls within these modules use `retrying`, which saves errno first.
  package init(_ operation: String, _ subject: String, code: CInt = errno) {
    self.operation = operation
    self.subject = subject
    self.code = code
  }

  /// One or two sentences: `cannot open images/a.jpg: permission denied. Give uid 1000 read access ...`.
  package var description: String { cure.map { "\(summary). \($0)" } ?? summary }

  /// The description without the fix: `cannot open images/a.jpg: permission denied`.
  package var summary: String { "cannot \(operation) \(subject): \(meaning)" }

  /// The name of the code: "ENOSPC".
  package var name: String { system_error_name(code).map { String(cString: $0) } ?? "E\(code)" }

  package var disposition: Disposition {
    switch code {
    // Space is freed, a disk is mounted again; a right has to be granted.
    case ENOSPC, EDQUOT, EIO, EROFS, EMFILE, ENFILE, ENOMEM, ESTALE: .transient
    case EACCES, EPERM: .needsPerson
    default: .badInput
    }
  }

  /// The C library's text for the code, as the middle of a sentence: "permission denied".
  var meaning: String {
    if code == ENOSPC, operation == Self.watching { return "no inotify watch is left" }
    // glibc's strerror is thread-safe since 2.32. In every release, the text of a known code is a constant.
    guard let text = strerror(code) else { return "error \(code)" }
    let sentence = String(cString: text)
    return sentence.prefix(2).allSatisfy(\.isUppercase)
      ? sentence : sentence.prefix(1).lowercased() + sentence.dropFirst()
  }
}

extension SystemError {
  /// The verb of `FolderEvents`, for which ENOSPC and EMFILE can mean an inotify limit instead of a full disk or too
  /// many open files.
  static let watching = "watch"

  /// How to fix it, as a sentence without its full stop; nil if that depends on the situation.
  package var cure: String? {
    switch code {
    case EACCES, EPERM:
      let identity = HostIdentity.userAndGroup
      return "Give uid \(identity.0), gid \(identity.1) \(neededAccess) access to it and to the folders above it"
    case ENOSPC where operation == Self.watching:
      return "Raise the limit: sysctl fs.inotify.max_user_watches=1048576"
    case EMFILE where operation == Self.watching:
      // One code stands for two limits.
      let files = "the limit of open files, now \(system_open_file_limit()) (ulimit -n)"
      return "Raise the limit: sysctl fs.inotify.max_user_instances=1024, or \(files)"
    case ENOSPC: return "Free space or inodes on that file system (df -h, df -i), or choose another folder"
    case EDQUOT: return "Free some of the user's quota on that file system, or ask for more"
    case EROFS: return "Mount the file system (or the container's volume) writable, or choose another folder"
    case EMFILE: return "Raise the limit of open files, now \(system_open_file_limit()) (ulimit -n, LimitNOFILE=)"
    case ENFILE: return "Raise the host's limit of open files (sysctl fs.file-max)"
    case ENOMEM: return "Give the host or the container more memory"
    case ENOENT: return "Check the path, and create what is missing"
    case EEXIST: return "Choose another name, or move aside what is there"
    case EISDIR: return "There is a folder where a file is expected: move it aside, or choose another path"
    case ENOTDIR: return "There is a file or a link where a folder is expected: move it aside, or choose another path"
    case ELOOP: return "It is a symbolic link, which is not followed here: put the file itself there"
    case ENAMETOOLONG: return "Shorten it: a name has at most 255 bytes, a path 4095"
    case ENOTEMPTY: return "Empty the folder first"
    case EXDEV: return "Both folders must be on one file system"
    case EFBIG: return "The file system or the limit of the process (ulimit -f) allows no file of that size"
    case EIO: return "The disk or its connection fails: look at the kernel's log (dmesg) before anything else"
    case ESPIPE: return "It is a pipe, a socket or a terminal: use a regular file"
    case ENXIO, ENODEV:
      return "It is a device without its driver, or a pipe without a reader: use a regular file or folder"
    case EOPNOTSUPP, ENOSYS, ENOTTY:
      return "The file system does not support this: choose a folder on another one, a local one if possible"
    case ENOLCK: return "The file system has no locks: choose a local folder, or enable locks on its server"
    case EBUSY, ETXTBSY: return "Another program uses it: stop that program, or choose another path"
    case EMLINK: return "The folder is full: choose another one"
    case ENOTCONN, ECONNABORTED, EHOSTDOWN, EHOSTUNREACH, ETIMEDOUT, EREMOTEIO:
      return "The server of that file system does not answer: mount it again, or choose a local folder"
    case ESTALE: return "The file handle is stale: remount the network file system"
    default: return nil
    }
  }

  private var neededAccess: String {
    switch operation {
    case "open", "read", "list", "inspect", Self.watching: "read"
    default: "write"
    }
  }
}

/// Repeats the call until no signal interrupts it. `errno` is saved before anything else can change it.
@discardableResult
func retrying<Result: SignedInteger>(
  _ operation: String, _ subject: @autoclosure () -> String, _ call: () -> Result
) throws(SystemError) -> Result {
  while true {
    let result = call()
    if result != -1 { return result }
    let code = errno
    if code != EINTR { throw SystemError(operation, subject(), code: code) }
  }
}
