import Platform

/// Keeps `repair` and the consumers of an output apart. Consumers share the lock; `repair` holds it alone.
package struct OutputLock {
  private let file: File

  /// - Parameter reserved: the output's `.image-pipeline`.
  static func share(in reserved: Folder) throws -> OutputLock {
    let file = try reserved.file(name, .create)
    guard try file.lockShared() else { throw InUse(path: reserved.path, isRepaired: true) }
    return OutputLock(file: file)
  }

  static func takeAlone(in reserved: Folder) throws -> OutputLock {
    let file = try reserved.file(name, .create)
    guard try file.lockExclusively() else { throw InUse(path: reserved.path, isRepaired: false) }
    return OutputLock(file: file)
  }

  package static let name = "in-use.lock"

  package struct InUse: Error, CustomStringConvertible {
    let path: String
    let isRepaired: Bool
    package var description: String {
      isRepaired
        ? "image-pipeline repair works on \(path): start again when it has finished"
        : "a consumer, or another repair, works on \(path): stop all of them first"
    }
  }
}
