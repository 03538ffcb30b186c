import Bucket
import Configuration
import Output
import Platform
import S3
import Telemetry

/// The pictures of an output that is a bucket. Their catalog is a copy of its log, and their bytes are read when somebody
/// wants them.
final class BucketPictures: PictureOutput {
  let path: String
  private let client: any S3Requests
  private let layout: BucketLayout
  private let copy: BucketCopy
  private let stop: StopFlag
  let largestPicture: Int?

  /// How many objects are read at the same time. Each is in a temporary file until its client has it.
  static let mostReads = 6
  private static let attempts = 3

  /// - Parameters:
  ///   - largestPicture: in bytes. The temporary folder must have room for `mostReads` of them.
  ///   - stop: set before `interrupt` is called.
  init(
    _ settings: BucketSettings, pace: BucketCopy.Pace = BucketCopy.Pace(), largestPicture: Int = 256 << 20, log: Log,
    stop: StopFlag
  ) {
    self.largestPicture = largestPicture
    client = S3Client(settings.store)
    layout = BucketLayout(settings.address)
    path = settings.address.description
    self.stop = stop
    copy = BucketCopy(client, layout, pace: pace, log: log, stop: stop)
  }

  var problem: String? { copy.problem }

  func watchedFolder() -> String? { copy.watchedFolder() }

  func tag(of picture: Picture) -> String? { picture.row.digest.hex }

  func open(_ picture: Picture) throws -> OpenPicture? {
    guard let object = try read(picture, into: File.temporary), let file = object.file else { return nil }
    return OpenPicture(file: file, size: object.size, tag: object.digest.hex)
  }

  func examine(_ picture: Picture, stop: StopFlag) throws -> ExaminedPicture? {
    guard let object = try read(picture, into: { nil }) else { return nil }
    let isNewer = object.digest != picture.row.digest && object.object?.isNewer(than: picture.row) == true
    return ExaminedPicture(size: object.size, digest: object.digest, isNewer: isNewer)
  }

  func interrupt() { client.close() }
  func close() { copy.close() }

  // MARK: Objects

  /// - Returns: nil if there is no such object.
  private func read(_ picture: Picture, into file: () throws -> File?) throws -> ReadObject? {
    guard let name = picture.storedName else { return nil }
    return try client.read([layout.image(name)], into: file, attempts: Self.attempts, stop: stop)[0]
  }
}
