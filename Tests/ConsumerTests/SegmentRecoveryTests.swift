import Testing

@testable import Consumer

@Suite struct SegmentRecoveryTests {
  @Test("segments that are far apart are read on their own") func farApart() {
    let offsets: [Range<Int64>] = [0..<2, 10..<11, 1_000..<1_001, 5_000_000..<5_000_010, 5_000_020..<5_000_021]
    #expect(SegmentRecovery.near(offsets) == [Array(offsets[..<3]), Array(offsets[3...])])
    #expect(SegmentRecovery.near([]) == [])
  }
}
