import TestSupport
import Testing

@testable import Kafka
@testable import Platform

/// `audit` against `verify`, which reads everything and knows neither ledger, catalog nor topic.
extension AuditTests {
  enum Damage: CaseIterable {
    case fileDeleted, fileTruncated, fileReplaced
    case rowRemoved, rowDoubled, rowChanged
    case entryRemoved, positionMoved, ledgerLineRemoved
    case fileNeverSent, imageRefused, messagesRemoved
  }

  /// Findings about the program's own records: `verify` does not read those.
  private static let ofRecords = ["entry_missing", "position_moved", "not_in_ledger", "messages_lost"]

  @Test("audit and verify agree, whatever is damaged") func auditAgreesWithVerify() throws {
    var random = SeededNumbers.printed()
    try roundTrip()
    // Each kind alone, and some pairs of those that need no program: a consumer would act on the other one's damage.
    let kinds = Damage.allCases.shuffled(using: &random)
    let simple = kinds.filter { ![.imageRefused, .messagesRemoved].contains($0) }
    let rounds = kinds.map { [$0] } + (0..<4).map { _ in Array(simple.shuffled(using: &random).prefix(2)) }
    for damages in rounds {
      let chosen = names.shuffled(using: &random)
      let undo = try zip(damages, chosen).map { try damage($0, $1, &random) }
      let report = try audit()
      #expect(!report.findings.isEmpty, "\(damages)")
      try expectAgreement(report, "\(damages)")
      for undo in undo.reversed() { try undo() }
    }
    let report = try audit()
    #expect(report.findings == [], "\(report.output)")
    try expectAgreement(report, "nothing is damaged")
  }

  private func expectAgreement(_ report: Report, _ comment: String) throws {
    let verify = try Program(["verify"], in: folder, environment: environment())
    let visible = report.findings.filter { finding in !Self.ofRecords.contains { finding.hasPrefix($0 + " ") } }
    #expect(verify.exitCode() == (visible.isEmpty ? 0 : 1), "\(comment)\n\(verify.output)\n\(report.output)")
  }

  /// - Parameter name: the image to damage, if the damage is one of an image.
  /// - Returns: takes the damage back.
  private func damage(_ kind: Damage, _ name: String, _ random: inout SeededNumbers) throws -> () throws -> Void {
    let new = "new-\(UInt32.random(in: 0...UInt32.max, using: &random)).jpg"
    switch kind {
    case .fileDeleted: return try replace(TestFolder.output + "/" + name) { _ in nil }
    case .fileTruncated: return try replace(TestFolder.output + "/" + name) { Array($0.dropLast()) }
    case .fileReplaced: return try replace(TestFolder.output + "/" + name) { $0.map { $0 ^ 1 } }
    case .rowRemoved, .rowDoubled, .rowChanged: return try damageRow(kind, &random)
    case .entryRemoved: return try remove("images WHERE name = '\(name)'", in: Self.catalog)
    case .ledgerLineRemoved: return try remove("files WHERE path = '\(name)'", in: Self.ledger)
    case .positionMoved:
      let distance = Int.random(in: 1...3, using: &random) * (Bool.random(using: &random) ? 1 : -1)
      try change(Self.catalog, "UPDATE positions SET next = next + \(distance)")
      return { try change(Self.catalog, "UPDATE positions SET next = next - \(distance)") }
    case .fileNeverSent:
      try folder.write("images/" + new, new)
      return { try folder.remove("images/" + new) }
    case .imageRefused:
      try folder.write("images/" + new, new)
      // The output cannot have a file of this name.
      try folder.makeFolder(TestFolder.output + "/" + new)
      try send()
      try store()
      return {
        try folder.remove(TestFolder.output + "/" + new)
        let replay = try Program(["dead-letters", "--replay"], in: folder, environment: environment())
        #expect(replay.exitCode() == 0, "\(replay.output)")
        try store()
      }
    case .messagesRemoved:
      guard Broker.realServers != nil else { return try damage(.fileNeverSent, name, &random) }
      try folder.write("images/" + new, new)
      try send()
      try removeMessages()
      return {
        try folder.remove("images/" + new)
        try change(Self.ledger, "DELETE FROM files WHERE path = '\(new)'")
        // With the next message, the stored position passes what is lost.
        try folder.write("images/next-" + new, new)
        try send()
        try store()
      }
    }
  }

  /// Replaces a file's content; nil removes it.
  private func replace(_ file: String, _ change: ([UInt8]) -> [UInt8]?) throws -> () throws -> Void {
    let before = try #require(folder.bytes(file))
    if let after = change(before) { try folder.write(file, after) } else { try folder.remove(file) }
    return { try folder.write(file, before) }
  }

  private func damageRow(_ kind: Damage, _ random: inout SeededNumbers) throws -> () throws -> Void {
    let before = try folder.read(TestFolder.csv)
    var rows = before.split(separator: "\n").map(String.init)
    let number = Int.random(in: 1..<rows.count, using: &random)
    switch kind {
    case .rowRemoved: rows.remove(at: number)
    case .rowDoubled: rows.insert(rows[number], at: number)
    default: rows[number] = rows[number].replacing(".jpg,", with: "-other.jpg,")
    }
    try folder.write(TestFolder.csv, rows.map { $0 + "\n" }.joined())
    return { try folder.write(TestFolder.csv, before) }
  }

  /// Removes rows of a table for a while.
  private func remove(_ rows: String, in database: String) throws -> () throws -> Void {
    let table = rows.prefix { $0 != " " }
    try change(database, "CREATE TABLE spare AS SELECT * FROM \(rows); DELETE FROM \(rows)")
    return { try change(database, "INSERT INTO \(table) SELECT * FROM spare; DROP TABLE spare") }
  }

  /// Removes all messages from the topic, as retention does.
  private func removeMessages() throws {
    let end = try #require(try audit().partitions.first?["end"])
    let client = try KafkaProducer(broker.settings()) { _ in }
    defer { client.close() }
    try client.deleteRecords(of: broker.topic, partition: 0, before: Int64(end), timeout: .seconds(30))
  }
}
