import Glibc
package import Platform

/// Finds an input folder, and refuses one that is an output or in one.
package enum InputFolder {
  /// Whether a folder is an output: it has a catalog, no matter which program wrote it and what the folder is called.
  package static func isOutput(_ path: String) -> Bool {
    let catalog = try? FileStatus.of("\(path)/\(ImageName.reserved)/\(ImageName.catalog)")
    return (catalog ?? nil) != nil
  }

  /// The folder's path without links and dots, by which the ledger identifies the folder.
  /// - Throws: `Unusable` if the path does not lead to a folder; `Refusal` if the folder is an output or is in one;
  ///   `InBucket`.
  package static func resolve(_ path: String) throws -> String {
    if path.hasPrefix("s3://") { throw InBucket(input: path) }
    let absolute: String
    do { absolute = try self.path(of: path) } catch { throw Unusable(path, error) }
    var place = absolute
    while true {
      if isOutput(place) { throw Refusal(input: path, output: place) }
      guard place != "/", let slash = place.utf8.lastIndex(of: UInt8(ascii: "/")) else { return absolute }
      place = slash == place.startIndex ? "/" : String(place[..<slash])
    }
  }

  /// The folder that a path leads to now, as a path without links and dots.
  /// - Throws: the error of realpath(3); ENOTDIR if the path leads to a file.
  package static func path(of path: String) throws(SystemError) -> String {
    guard let resolved = realpath(path, nil) else { throw SystemError("open", path) }
    defer { free(resolved) }
    let absolute = String(cString: resolved)
    guard try FileStatus.of(absolute)?.kind == .folder else { throw SystemError("open", path, code: ENOTDIR) }
    return absolute
  }

  /// The input's path leads to a different folder than at the start of the run, because a symbolic link was changed.
  package struct Moved: Error {
    package init() {}
  }

  package struct InBucket: Error, CustomStringConvertible {
    let input: String
    package var description: String {
      "IMAGES_DIR=\(input) is a bucket, and a producer sends the files of a folder: mount the bucket as a folder, or copy "
        + "it. Only verify reads it"
    }
  }

  package struct Unusable: Error, CustomStringConvertible {
    let input: String
    package let reason: SystemError
    init(_ input: String, _ reason: SystemError) {
      self.input = input
      self.reason = reason
    }
    package var description: String { "IMAGES_DIR=\(input) cannot be used: \(reason)" }
  }

  package struct Refusal: Error, CustomStringConvertible {
    let input: String
    package let output: String
    package var description: String {
      "IMAGES_DIR=\(input) is in \(output), which a consumer stores into: stored images would be sent again. "
        + "Set IMAGES_DIR or PROCESSED_IMAGES_DIR to another folder"
    }
  }
}
