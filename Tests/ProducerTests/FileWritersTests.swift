import TestSupport
import Testing

@testable import Producer

/// The test controls the time, in ms.
@Suite struct FileWritersTests {
  @Test("a file is being written from its first write to its close")
  func writtenUntilClosed() {
    var writers = FileWriters(quiet: .seconds(1))
    #expect(writers.lastWrite("a") == nil)
    writers.written("a", now: moment(1))
    writers.written("a", now: moment(2))
    #expect(writers.lastWrite("a") == moment(2))
    writers.closed("a", now: moment(3))
    #expect(writers.lastWrite("a") == nil)
  }

  @Test("a close within the quiet time of another one is not the first")
  func secondCloseIsNotTheFirst() {
    var writers = FileWriters(quiet: .seconds(1))
    #expect(writers.closed("a", now: moment(0)) == true)
    #expect(writers.closed("a", now: moment(999)) == false)
    #expect(writers.closed("a", now: moment(1_998)) == false, "each close begins the quiet time again")
    #expect(writers.lastClose("a", now: moment(2_997)) == moment(1_998))
    #expect(writers.lastClose("a", now: moment(2_998)) == nil)
    #expect(writers.closed("a", now: moment(2_998)) == true)
    #expect(writers.closed("b", now: moment(2_998)) == true)
  }

  @Test("every close is the first without a quiet time")
  func everyCloseCountsWithoutQuietTime() {
    var writers = FileWriters(quiet: .zero)
    #expect(writers.closed("a", now: moment(0)) == true)
    #expect(writers.closed("a", now: moment(0)) == true)
    #expect(writers.lastClose("a", now: moment(0)) == nil)
  }

  @Test("files of a removed folder are forgotten, and no others")
  func removedFolderIsForgotten() {
    var writers = FileWriters(quiet: .seconds(1))
    let names = ["day/a", "day/deep/b", "day 2/c", "d", "daylight"]
    for name in names {
      writers.closed(name, now: moment(0))
      writers.written(name, now: moment(0))
    }
    writers.forget(below: ["day/"])
    #expect(names.filter { writers.lastWrite($0) != nil } == ["day 2/c", "d", "daylight"])
    #expect(names.filter { writers.lastClose($0, now: moment(0)) != nil } == ["day 2/c", "d", "daylight"])
    writers.forget(below: [""])
    #expect(names.allSatisfy { writers.lastWrite($0) == nil })
  }

  @Test("memory is bounded")
  func memoryIsBounded() {
    var writers = FileWriters(quiet: .seconds(1))
    for number in 0...FileWriters.most {
      writers.written("\(number)", now: moment(0))
      writers.closed("c\(number)", now: moment(0))
    }
    #expect(writers.lastWrite("0") == nil)
    #expect(writers.lastClose("c0", now: moment(0)) == nil)
    #expect(writers.lastClose("c\(FileWriters.most)", now: moment(0)) == moment(0))
  }
}
