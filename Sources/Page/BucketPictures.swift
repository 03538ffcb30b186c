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

  /// How many objects are read at the same time. Each is in a temporary file until its client has it.
  static let mostReads = 6
  private static let attempts = 3

  /// - Parameter stop: set before `interrupt` is called.
  init(_ settings: BucketSettings, pace: BucketCopy.Pace = BucketCopy.Pace(), log: Log, stop: StopFlag) {
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
    return ExaminedPicture(
      size: object.size, digest: object.digest, isNewer: object.digest != picture.row.digest && object.isNewer)
  }

  func interrupt() { client.close() }
  func close() { copy.close() }

  // MARK: Objects

  private struct ReadObject {
    let file: File?
    let size: Int
    let digest: Digest
    /// Whether a consumer stored it after the picture.
    let isNewer: Bool
  }

  /// - Returns: nil if there is no such object.
  private func read(_ picture: Picture, into file: () throws -> File?) throws -> ReadObject? {
    guard let name = picture.storedName else { return nil }
    var attempt = 1
    while true {
      let bytes = ObjectBytes(file: try file())
      var request = S3Request.get(layout.image(name))
      request.sink = { bytes.add($0) }
      do throws(S3Error) {
        let response = try client.perform(request)
        guard response.status != 404 else { return nil }
        let (size, digest) = bytes.finish()
        let isNewer = ImageObject(response)?.isNewer(than: picture.row) == true
        return ReadObject(file: bytes.file, size: size, digest: digest, isNewer: isNewer)
      } catch {
        if let error = bytes.error { throw error }
        // The client repeats no request with a sink: that would have the bytes twice.
        guard error.disposition == .transient, attempt < Self.attempts, !stop.wait(for: .milliseconds(100 * attempt))
        else { throw error }
        attempt += 1
      }
    }
  }
}
