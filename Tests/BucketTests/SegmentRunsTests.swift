import Platform
import TestSupport
import Testing

@testable import Bucket
@testable import Output
@testable import Wire

/// Which images are known to be complete before their transaction.
@Suite struct SegmentRunsTests {
  private var runs = SegmentRuns()

  /// One of two parts of an image with that name.
  private mutating func add(_ index: Int, _ name: String, at offset: Int64, batch: Int = 0, isNew: Bool = true) throws
    -> SegmentRuns.Progress
  {
    let part = PreparedPart(
      name: try ImageName(name), digest: digest(of: name), length: 2, size: 1,
      segment: ImageHeaders.Segment(id: "id of " + name, index: index, count: 2, position: index),
      status: try #require(try FileStatus.of("/dev/null")), hasCreatedFile: isNew)
    return runs.add(part, at: SegmentRuns.Place(partition: 0, offset: offset), batch: batch, isNew: isNew)
  }

  @Test("an image is complete with its last segment") mutating func complete() throws {
    let first = try add(0, "a", at: 0)
    let other = try add(0, "b", at: 1)
    #expect(first.isIncomplete && other.isIncomplete)
    let last = try add(1, "a", at: 2, batch: 1, isNew: false)
    let otherLast = try add(1, "b", at: 3, batch: 2, isNew: false)
    #expect(last.isComplete && otherLast.isComplete)
  }

  @Test("an image that is sent again is known again when its messages are stored") mutating func again() throws {
    _ = try add(0, "a", at: 0)
    _ = try add(1, "a", at: 1)
    let early = try add(0, "a", at: 2, batch: 1)
    #expect(early.isUnknown)
    runs.stored([0: Catalog.Position(next: 3, last: nil)])
    let first = try add(0, "a", at: 3, batch: 2)
    let last = try add(1, "a", at: 4, batch: 2)
    #expect(first.isIncomplete && last.isComplete)
  }

  @Test("a batch that is prepared again does not make later segments of its image known") mutating func outOfOrder()
    throws
  {
    _ = try add(1, "a", at: 3)
    _ = try add(1, "a", at: 2, batch: 1, isNew: false)
    runs.stored([0: Catalog.Position(next: 3, last: nil)])
    let first = try add(0, "a", at: 4, batch: 2)
    #expect(first.isUnknown)
  }

  @Test("a file that was created again has lost segments") mutating func createdAgain() throws {
    _ = try add(0, "a", at: 0)
    let last = try add(1, "a", at: 1, batch: 1, isNew: true)
    #expect(last.isUnknown)
  }

  @Test("the first segments of an image with an old file may be others'") mutating func oldFile() throws {
    let first = try add(0, "a", at: 0, isNew: false)
    #expect(first.isUnknown)
  }

  @Test("images are not followed without limit") mutating func limit() throws {
    for number in 0...1_000 { _ = try add(0, "\(number)", at: Int64(number)) }
    let forgotten = try add(1, "0", at: 2_000, batch: 1, isNew: false)
    let followed = try add(1, "1000", at: 2_001, batch: 1, isNew: false)
    #expect(forgotten.isUnknown && followed.isComplete)
  }
}

extension SegmentRuns.Progress {
  fileprivate var isIncomplete: Bool { if case .incomplete = self { true } else { false } }
  fileprivate var isComplete: Bool { if case .complete = self { true } else { false } }
  fileprivate var isUnknown: Bool { if case .unknown = self { true } else { false } }
}
