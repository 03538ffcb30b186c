import Glibc
package import Platform

/// What an input folder must not be.
package enum InputFolder {
  /// An output is known by its catalog, whoever wrote it and whatever it is called.
  package static func isOutput(_ path: String) -> Bool {
    let catalog = try? FileStatus.of("\(path)/\(ImageName.reserved)/\(ImageName.catalog)")
    return (catalog ?? nil) != nil
  }

  /// The folder's path without links and dots; what the ledger knows it by.
  /// - Throws: `Unusable` where there is none; `Refusal` where it is an output, or lies in one.
  package static func resolve(_ path: String) throws -> String {
    let absolute: String
    do { absolute = try self.path(of: path) } catch { throw Unusable(path, error) }
    var place = absolute
    while true {
      if isOutput(place) { throw Refusal(input: path, output: place) }
      guard place != "/", let slash = place.utf8.lastIndex(of: UInt8(ascii: "/")) else { return absolute }
      place = slash == place.startIndex ? "/" : String(place[..<slash])
    }
  }

  /// Where a path leads now, without links and dots.
  /// - Throws: as realpath(3); ENOTDIR if it leads to a file.
  package static func path(of path: String) throws(SystemError) -> String {
    guard let resolved = realpath(path, nil) else { throw SystemError("open", path) }
    defer { free(resolved) }
    let absolute = String(cString: resolved)
    guard try FileStatus.of(absolute)?.kind == .folder else { throw SystemError("open", path, code: ENOTDIR) }
    return absolute
  }

  /// The path of the input leads to another folder than when the run began: a symbolic link was changed.
  package struct Moved: Error {
    package init() {}
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
      "IMAGES_DIR=\(input) lies in \(output), which a consumer stores into: what came out of Kafka would be sent again. "
        + "Set IMAGES_DIR or PROCESSED_IMAGES_DIR to another folder"
    }
  }
}
