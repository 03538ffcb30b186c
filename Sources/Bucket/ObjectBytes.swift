import Platform
import Synchronization

/// Receives the bytes of an object piece by piece, computes their hash, and writes them to a file, if there is one.
final class ObjectBytes: Sendable {
  private struct State {
    var hash = SHA256()
    var size = 0
    var error: SystemError?
  }

  let file: File?
  private let state = Mutex(State())

  init(file: File?) { self.file = file }

  /// The reason why the file could not be written; nil if it was.
  var error: SystemError? { state.withLock { $0.error } }

  /// - Returns: false if nothing more can be received.
  func add(_ bytes: UnsafeRawBufferPointer) -> Bool {
    state.withLock { state in
      do throws(SystemError) { try file?.write(bytes, at: state.size) } catch {
        state.error = error
        return false
      }
      state.hash.update(bytes)
      state.size += bytes.count
      return true
    }
  }

  /// To be called once, after the last piece.
  func finish(_ object: ImageObject?) -> ReadObject {
    state.withLock { ReadObject(file: file, size: $0.size, digest: $0.hash.finish(), object: object) }
  }
}
