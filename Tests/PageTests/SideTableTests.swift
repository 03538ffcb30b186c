import TestSupport
import Testing

@testable import Page
@testable import Platform
@testable import Telemetry

private let estimates: [([Double: Double], Double, Double?)] = [
  ([:], 0.5, nil), ([0.1: 0, 1: 0], 0.5, nil), ([0.1: 4, 1: 0, .infinity: 0], 0.99, 0.1),
  ([0.1: 0, 1: 10, .infinity: 0], 0.5, 0.55), ([0.1: 5, 1: 5, .infinity: 0], 0.5, 0.1),
  ([1: 1, .infinity: 9], 0.5, 1), ([.infinity: 9], 0.5, nil), ([1: 0, 2: 0, 4: 2], 0.5, 3),
]

/// The numbers that are derived from what sides report.
@Suite struct SideTableTests {
  @Test("rates are the difference of two reports, and unknown after one") func rates() {
    var rounds = SideRounds()
    var (producer, consumer) = (SideMetrics(.producer, images: 1_000), SideMetrics(.consumer, images: 900))
    let first = rounds.take(["p": producer, "c": consumer])
    #expect(first[.incoming] == nil && first[.stored] == nil && first[.dead] == nil)
    producer.images += 20
    producer.bytes += 4_000_000
    consumer.images += 10
    consumer.bytes += 1_000_000
    consumer.deadLetters += 3
    let second = rounds.take(["p": producer, "c": consumer])
    #expect(second[.incoming] == 10 && second[.incomingMB] == 2)
    #expect(second[.stored] == 5 && second[.storedMB] == 0.5 && second[.dead] == 3)
    #expect(rounds.take(["p": producer, "c": consumer])[.dead] == 0)
  }

  @Test("rates are means of five intervals") func meanRates() {
    var rounds = SideRounds()
    var consumer = SideMetrics(.consumer)
    rounds.take(["c": consumer])
    var rates: [Double?] = []
    for added in [20, 0, 0, 0, 0, 0, 0] {
      consumer.images += added
      rates.append(rounds.take(["c": consumer])[.stored])
    }
    #expect(rates[0] == 10 && rates[1] == 5 && rates[4] == 2 && rates[5] == 0)
  }

  @Test("a side that has moved terabytes has rates, too") func terabytes() {
    var rounds = SideRounds()
    var producer = SideMetrics(.producer, images: 9_000_000)
    producer.bytes = 5_000_000_000_000
    rounds.take(["p": producer])
    producer.bytes += 4_000_000
    #expect(rounds.take(["p": producer])[.incomingMB] == 2)
    #expect(rounds.table.total(.producer).json == "[9000000,5000004000000]")
  }

  @Test("all consumers of a name count") func scaledConsumers() {
    var rounds = SideRounds()
    var all = ["c/10.0.0.1": SideMetrics(.consumer), "c/10.0.0.2": SideMetrics(.consumer, images: 7)]
    for key in all.keys { all[key]!.backlog = 5 }
    rounds.take(all)
    for key in all.keys { all[key]!.images += 8 }
    let point = rounds.take(all)
    #expect(point[.stored] == 8 && point[.lag] == 10 && point[.unsent] == nil && point[.incoming] == nil)
    let total = rounds.table.total(.consumer)
    #expect(total.sides == 2 && total.images == 23 && rounds.table.total(.producer).sides == 0)
  }

  @Test("a consumer that joins causes no jump") func joiningConsumer() {
    var rounds = SideRounds()
    let first = SideMetrics(.consumer, images: 100)
    rounds.take(["c/10.0.0.1": first])
    rounds.take(["c/10.0.0.1": first])
    let point = rounds.take(["c/10.0.0.1": first, "c/10.0.0.2": SideMetrics(.consumer, images: 1_000_000)])
    #expect(point[.stored] == 0)
  }

  @Test("a restart resets counters: no rate is negative, and none jumps") func restart() {
    var rounds = SideRounds()
    var consumer = SideMetrics(.consumer, images: 1_000_000)
    consumer.deadLetters = 50
    consumer.times = [0.5, 0.5, 0.5]
    rounds.take(["c": consumer])
    rounds.take(["c": consumer])
    var restarted = SideMetrics(.consumer, images: 4)
    restarted.times = [5]
    let point = rounds.take(["c": restarted])
    #expect(point[.stored] == 1 && point[.dead] == 0, "the mean of 0 and 4 in 2 s")
    #expect(point[.sent50]! > 1)
  }

  @Test("a restart is noticed by what the process has computed, too") func quickRestart() {
    var rounds = SideRounds()
    var consumer = SideMetrics(.consumer, images: 10)
    consumer.processorSeconds = 100
    rounds.take(["c": consumer])
    // It has stored more than its predecessor already.
    consumer.images = 12
    consumer.processorSeconds = 0.5
    #expect(rounds.take(["c": consumer])[.stored] == 6)
  }

  @Test("a producer at a consumer's former address is another process") func changedKind() {
    var rounds = SideRounds()
    rounds.take(["x": SideMetrics(.consumer, images: 5)])
    let point = rounds.take(["x": SideMetrics(.producer, images: 500)])
    #expect(point[.incoming] == nil && point[.stored] == nil)
  }

  @Test("what a silent side did meanwhile is spread over the time") func silence() {
    var rounds = SideRounds()
    var consumer = SideMetrics(.consumer)
    rounds.take(["c": consumer])
    consumer.images = 2
    rounds.take(["c": consumer])
    for _ in 0..<4 { #expect(rounds.take(["c": nil])[.stored] == nil) }
    consumer.images = 12
    #expect(rounds.take(["c": consumer])[.stored] == 1)
  }

  @Test("without an answer its last backlog counts for one round, and is unknown then") func silentBacklog() {
    var rounds = SideRounds()
    var producer = SideMetrics(.producer)
    (producer.backlog, producer.receipts) = (3, 4)
    rounds.take(["p": producer])
    let missed = rounds.take(["p": nil])
    #expect(missed[.unsent] == 3 && missed[.receipts] == 4)
    let gone = rounds.take(["p": nil])
    #expect(gone[.unsent] == nil && gone[.receipts] == nil)
  }

  @Test("two families of addresses that lead to one process count once", arguments: [true, false])
  func addressFamilies(hasBoth: Bool) {
    var rounds = SideRounds()
    for images in [0, 10] {
      let side = SideMetrics(.consumer, images: images)
      let point = rounds.take(["localhost/127.0.0.1": hasBoth ? side : nil, "localhost/::1": side])
      if images > 0 { #expect(point[.stored] == 5) }
    }
    #expect(rounds.table.troubles == [])
  }

  // MARK: Times

  @Test("quantiles are those of the last 30 intervals") func quantiles() throws {
    var rounds = SideRounds()
    var producer = SideMetrics(.producer)
    rounds.take(["p": producer])
    #expect(rounds.take(["p": producer])[.file50] == nil)
    producer.times = Array(repeating: 0.5, count: 98) + [5, 5]
    let point = rounds.take(["p": producer])
    #expect(try #require(point[.file50]) > 0.1 && point[.file50]! < 1 && point[.file99]! > 1)
    #expect(point[.sent50] == nil && rounds.table.floors[.producer] == 0.1)
    for _ in 0..<29 { #expect(rounds.take(["p": producer])[.file50] == point[.file50]) }
    #expect(rounds.take(["p": producer])[.file50] == nil)
  }

  @Test("a quantile is estimated within its bucket", arguments: estimates)
  func quantile(buckets: [Double: Double], share: Double, expected: Double?) {
    let found = Quantile.of(buckets, share)
    #expect((found == nil) == (expected == nil) && abs((found ?? 0) - (expected ?? 0)) < 1e-9, "\(found as Any)")
  }

  // MARK: What is wrong

  @Test("a side that goes away is named, once it has been away for two rounds") func awayIsNamed() {
    var rounds = SideRounds()
    let both = ["producer/10.0.0.1": SideMetrics(.producer), "consumer/10.0.0.2": nil]
    rounds.take(both)
    #expect(rounds.table.troubles == [])
    rounds.take(both)
    #expect(rounds.table.troubles.map(\.side) == ["consumer:8080"])
    #expect(rounds.table.troubles[0].words[0].contains("PAGE_SIDES"))
    rounds.take(["producer/10.0.0.1": SideMetrics(.producer), "consumer/10.0.0.2": SideMetrics(.consumer)])
    #expect(rounds.table.troubles == [])
  }

  @Test("one of several is named with its address, and its kind if the name does not tell") func addressIsNamed() {
    var rounds = SideRounds()
    for round in 0..<3 {
      let second = round == 0 ? SideMetrics(.consumer) : nil
      rounds.take([
        "consumer/10.0.0.1": SideMetrics(.consumer), "consumer/10.0.0.2": second, "host/10.0.0.3": second,
      ])
    }
    #expect(rounds.table.troubles.map(\.side) == ["consumer at host:8080", "consumer:8080 (10.0.0.2)"])
  }

  @Test("an unready side has its own words, within bounds") func unready() {
    var rounds = SideRounds()
    var producer = SideMetrics(.producer)
    producer.isReady = false
    for _ in 0..<2 {
      rounds.take(
        ["producer": producer],
        reasons: ["broker: gone"] + Array(repeating: String(repeating: "é", count: 9_999), count: 99))
    }
    let words = rounds.table.troubles.first?.words ?? []
    #expect(words.first == "broker: gone" && words.count == 4 && words.allSatisfy { $0.count <= 400 })
  }

  @Test("a name that cannot be resolved is named, and forgotten when it is known") func unresolved() {
    var rounds = SideRounds()
    for _ in 0..<2 { rounds.take([:], failures: ["consumer": "name or service not known"]) }
    #expect(rounds.table.troubles.map(\.side) == ["consumer:8080"])
    #expect(rounds.table.troubles[0].words[0].contains("name or service not known"))
    rounds.take(["consumer": SideMetrics(.consumer)])
    #expect(rounds.table.troubles == [])
  }

  @Test("strangers' numbers are not believed") func strangers() {
    for value in ["-5", "1e300", "NaN", "x"] {
      #expect(SideReading(MetricsReading("image_pipeline_images_stored_total \(value)")) == nil)
      let reading = SideReading(
        MetricsReading("image_pipeline_images_stored_total 1\nimage_pipeline_lag_messages \(value)"))
      #expect(reading != nil && reading?.backlog == nil && reading?.isReady == false)
    }
    #expect(SideReading(MetricsReading("<html>")) == nil)
  }

  @Test("strangers' histograms do no harm", arguments: ["1e300", "-1e300", "0", "1e17"])
  func strangeHistograms(bound: String) {
    var table = SideTable()
    var point = NumberPoint()
    let start = MonotonicClock.now
    for (second, count) in [0, 5].enumerated() {
      let name = "image_pipeline_end_to_end_seconds_bucket"
      let text =
        "image_pipeline_images_stored_total \(count)\n\(name){le=\"\(bound)\"} \(count)\n\(name){le=\"+Inf\"} \(count)\n"
      let side = SideAddress(name: TCPProbe.Address(host: "side", port: 1), address: "127.0.0.1")
      let reading = SideReading(MetricsReading(text))!
      point = table.take(
        [(side, .reading(reading, reasons: []))], at: start + .seconds(second * 2))
    }
    #expect(point[.stored] == 2.5 && point.json.hasSuffix("}"), "\(point.json)")
    #expect([nil, 0].contains(point[.sent50]) && table.floors.values.allSatisfy(\.isFinite), "\(point.json)")
  }
}
