import Glibc

/// Rules for paths and names, checked before a system call sees them.
enum PathRule {
  /// A NUL would end the path early in C: `a.jpg\0.txt` would open `a.jpg`.
  static func check(path: String, _ operation: String) throws(SystemError) {
    if path.utf8.contains(0) { throw SystemError(operation, path, code: EINVAL) }
  }

  /// Requires a single component, so that no name leads out of the folder in which it is looked up.
  static func check(component name: String, in folder: String, _ operation: String) throws(SystemError) {
    let isComponent = !["", ".", ".."].contains(name) && !name.utf8.contains { $0 == 0 || $0 == UInt8(ascii: "/") }
    if !isComponent { throw SystemError(operation, join(folder, name), code: EINVAL) }
  }

  static func join(_ folder: String, _ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : folder + "/" + name
  }

  /// The parent folder and the last component; nil for the root and for an empty path.
  static func split(_ path: String) -> (parent: String, name: String)? {
    var bytes = Substring(path)
    while bytes.hasSuffix("/") { bytes.removeLast() }
    if bytes.isEmpty { return nil }
    guard let slash = bytes.lastIndex(of: "/") else { return (".", String(bytes)) }
    let parent = bytes[..<slash]
    return (parent.isEmpty ? "/" : String(parent), String(bytes[bytes.index(after: slash)...]))
  }
}
