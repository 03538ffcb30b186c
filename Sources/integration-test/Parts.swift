import Kafka
import Platform

/// The parts of the test.
struct Parts {
  let settings: Settings
  private static let seed: UInt64 = 20_240_131

  /// Drops images of every kind while the services run, and checks what becomes of them.
  func carry() throws -> Int32 {
    try expectEmptyFolder()
    let starts = try ends()
    var dropper = Dropper(settings, Manifest(), seed: Self.seed)
    say("dropping \(Edges.all.count) images of every kind into \(settings.images)")
    for name in Edges.strangers { try dropper.dropStranger(name) }
    for image in Edges.all { try dropper.drop(image.name, size: image.size, label: image.label, image.way) }
    try waitForRows(dropper.manifest)
    // An edited image is another image: its bytes replace the old ones, and it gets another row.
    try dropper.drop("cat/001.jpg", size: 12_345, label: "cat", .inPlace)
    try dropper.drop("sizes/720001.jpg", size: 720_002, label: "sizes", .renamed)
    try waitForRows(dropper.manifest)
    try note(starts)
    return try judge(dropper.manifest, starts)
  }

  /// Drops images while another process restarts producer, consumer and broker, and a few more afterwards.
  func restarts() throws -> Int32 {
    let starts = try noted()
    var dropper = Dropper(settings, try Manifest.read(settings), seed: Self.seed + 1)
    var numbers = Numbers(state: Self.seed + 2)
    let folder = try Folder.create(settings.notes)
    try folder.remove("restarted")
    var (count, left) = (0, Self.afterRestarts)
    let deadline = MonotonicClock.now + Self.longestRestarts
    say("dropping images until everything has been restarted")
    while left > 0 {
      let size = count % 20 == 7 ? numbers.number(1_000_000...4_000_000) : numbers.number(0...60_000)
      try dropper.drop("restarts \(count % 5)/\(count).jpg", size: size, label: "restarts \(count % 5)")
      count += 1
      // The process that restarts them waits for this file.
      if count == 10 { _ = try folder.file("dropping", .createEmpty) }
      if try folder.status("restarted") != nil { left -= 1 }
      guard MonotonicClock.now < deadline else {
        throw Failure("\(settings.notes)/restarted was not created within \(Self.longestRestarts.components.seconds) s")
      }
      Deadline(in: .milliseconds(50)).sleep()
    }
    say("\(count) images were dropped meanwhile")
    try waitForRows(dropper.manifest)
    return try judge(dropper.manifest, starts)
  }

  private static let afterRestarts = 40
  private static let longestRestarts = Duration.seconds(600)

  /// Checks the stored images and the CSV file without asking Kafka. It serves to show that this test can fail.
  func check() throws -> Int32 { try Judge(settings: settings, manifest: Manifest.read(settings)).judge(nil).end() }

  // MARK: Common to the parts

  private func judge(_ manifest: Manifest, _ starts: [Int32: Int64]) throws -> Int32 {
    say("\(manifest.images.count) images, \(manifest.bytes / 1_000_000) MB")
    // The last commit arrives a moment after the last row.
    let end = MonotonicClock.now + settings.patience
    while try TopicWitness.lag(settings) > 0, MonotonicClock.now < end { Deadline(in: .milliseconds(200)).sleep() }
    return try Judge(settings: settings, manifest: manifest).judge(TopicWitness(settings, from: starts)).end()
  }

  private func expectEmptyFolder() throws {
    let names = try Folder.create(settings.images).names().filter { $0 != ".integration-test" }
    guard names.isEmpty else {
      throw Failure("IMAGES_DIR=\(settings.images) is not empty: use an empty folder for the test")
    }
  }

  /// Waits as long as rows keep arriving. Whether they are right is checked later.
  private func waitForRows(_ manifest: Manifest) throws {
    var (rows, since) = (-1, MonotonicClock.now)
    var lastWord = since
    while true {
      let now = MonotonicClock.now
      let count = try FileStatus.of(settings.csv) == nil ? 0 : CSVTable(settings.csv).rows.count
      if count != rows { (rows, since) = (count, now) }
      if count >= manifest.versionCount { return }
      if now - since > settings.patience {
        return say(
          "no row for \(settings.patience.components.seconds) s: \(rows) of \(manifest.versionCount) are there")
      }
      if now - lastWord > .seconds(5) {
        lastWord = now
        say("  ... \(rows) of \(manifest.versionCount) rows")
      }
      Deadline(in: .milliseconds(200)).sleep()
    }
  }

  /// The topic's end offsets before anything was dropped. Waits for the topic, which may not exist yet.
  private func ends() throws -> [Int32: Int64] {
    let end = MonotonicClock.now + settings.patience
    while true {
      let ends = try TopicWitness.ends(settings)
      if !ends.isEmpty { return ends }
      guard MonotonicClock.now < end else { throw Failure("there is no topic \(settings.topic)") }
      Deadline(in: .milliseconds(500)).sleep()
    }
  }

  private func note(_ starts: [Int32: Int64]) throws {
    let text = starts.map { "\($0.key) \($0.value)" }.joined(separator: "\n")
    let file = try Folder.create(settings.notes).file("starts", .createEmpty)
    try Array(text.utf8).withUnsafeBytes { try file.write($0, at: 0) }
  }

  private func noted() throws -> [Int32: Int64] {
    let lines = String(decoding: try content(of: settings.notes + "/starts"), as: UTF8.self).split(separator: "\n")
    return Dictionary(
      uniqueKeysWithValues: lines.compactMap { line -> (Int32, Int64)? in
        let fields = line.split(separator: " ")
        guard fields.count == 2, let partition = Int32(fields[0]), let offset = Int64(fields[1]) else { return nil }
        return (partition, offset)
      })
  }
}

extension Numbers {
  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
}
