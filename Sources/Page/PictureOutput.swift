import Platform
import Telemetry
import Wire

/// An output whose pictures are shown. Called from several threads at once.
protocol PictureOutput: Sendable {
  /// The beginning of the paths in its rows, as far as that is known.
  var path: String { get }
  /// Why it cannot be read now, with the fix; nil if it can, or if its catalog will show it.
  var problem: String? { get }

  /// Finds the catalog for somebody who looks at it. It shows what is stored for some time from now on.
  /// - Returns: the folder whose `.image-pipeline` has the catalog; nil if there is none yet.
  func watchedFolder() -> String?

  /// The size of the largest picture that is sent, in bytes; nil: there is no limit.
  var largestPicture: Int? { get }

  /// The entity tag that the bytes of a picture have if nobody has altered them; nil: only their file has one.
  func tag(of picture: Picture) -> String?

  /// - Returns: nil if the output has no such image.
  func open(_ picture: Picture) throws -> OpenPicture?

  /// Looks at the bytes of a picture as they are now.
  /// - Parameter stop: ends the look with an error.
  /// - Returns: nil if the output has no such image.
  func examine(_ picture: Picture, stop: StopFlag) throws -> ExaminedPicture?

  /// Ends requests that wait for somebody else. They get an error.
  func interrupt()
  /// To be called at the end, when nobody reads the catalog any more.
  func close()
}

/// The bytes of a picture, ready to be sent.
struct OpenPicture {
  let file: File
  let size: Int
  /// The entity tag, which changes with the bytes.
  let tag: String
}

/// The result of reading a picture.
struct ExaminedPicture {
  let size: Int
  /// nil: the size shows already that they are not those that were stored.
  let digest: Digest?
  /// Whether they are those of a newer version, which the catalog may not have yet.
  var isNewer = false
}

extension Picture {
  /// The name under which its image is stored; nil if it is not stored any more.
  var storedName: ImageName? { isCurrent ? try? ImageName(name) : nil }
}
