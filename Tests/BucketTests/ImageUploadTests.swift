import OutputSupport
import Platform
import TestSupport
import Testing

@testable import Bucket
@testable import Configuration
@testable import S3
@testable import Wire

/// What an upload asks a store, and in which order.
@Suite struct ImageUploadTests {
  private func upload(_ size: Int, _ content: String, offset: Int64) throws -> ImageUpload {
    let origin = try #require(ImageOrigin("c/t/1/0/\(offset)/5"))
    let version = ImageObject.Version(digest: digest(of: content), origin: origin)
    return ImageUpload(
      [try ImageName("a.jpg")], [version], .file(try File.open("/dev/null", .read), 0..<size), type: "image/jpeg",
      committed: 0, BucketLayout(BucketAddress("s3://images/p")!))
  }

  private func answer(_ status: Int, to upload: ImageUpload? = nil) -> S3Response {
    let headers = (upload?.next()?.headers ?? []).map { ($0.name.lowercased(), $0.value) }
    return S3Response(
      status: status, headers: Dictionary(uniqueKeysWithValues: headers + [("etag", "\"1\"")]), body: [])
  }

  @Test("a small image is sent at once", arguments: [0, 5_000_000]) func small(_ size: Int) throws {
    #expect(try upload(size, "one", offset: 0).next()?.method == "PUT")
  }

  @Test("a large image is sent only if it is not there") func large() throws {
    var first = try upload(100_000_000, "one", offset: 0)
    #expect(first.next()?.method == "HEAD")
    try first.received(answer(404))
    #expect(first.next()?.method == "PUT")
    let stored = answer(200, to: first)
    try first.received(answer(200))
    #expect(first.isOver && first.outcomes == [.stored(isReplacement: false)])
    var same = try upload(100_000_000, "one", offset: 1)
    try same.received(stored)
    #expect(same.isOver && same.outcomes == [.unchanged])
    var other = try upload(100_000_000, "two", offset: 1)
    try other.received(stored)
    #expect(other.next()?.method == "PUT" && !other.isOver)
    try other.received(answer(200))
    #expect(other.outcomes == [.stored(isReplacement: true)])
  }
}
