import Configuration
import Platform
import SQLite
import Wire

/// SQLite prefers the primary key to a partial index unless it is told to use it, and then reads every line.
extension Ledger.Connection {
  /// Outputs are numbered from 0, because a line has one bit for each of them.
  private static let mostOutputs = 63

  func setReceiptsNeeded(_ needed: Int) throws {
    try database.transaction {
      let before = try database.prepare("SELECT receipts_needed FROM scopes WHERE id = ?").first(.integer(scope)) {
        $0.integer(0)
      }
      guard before != Int64(needed) else { return }
      try database.prepare("UPDATE scopes SET receipts_needed = ? WHERE id = ?").run(
        .integer(Int64(needed)), .integer(scope))
      var combinations: [Int64] = []
      try database.prepare("SELECT DISTINCT outputs FROM files WHERE scope = ? AND state IN (1, 2)")
        .each(.integer(scope)) { row in
          combinations.append(row.integer(0))
          return true
        }
      let update = try database.prepare(
        "UPDATE files SET state = ? WHERE scope = ? AND state IN (1, 2) AND state <> ? AND outputs = ?")
      for outputs in combinations {
        let isEnough = UInt64(bitPattern: outputs).nonzeroBitCount >= needed
        let state = (isEnough ? Ledger.State.confirmed : .waiting).rawValue
        try update.run(.integer(state), .integer(scope), .integer(state), .integer(outputs))
      }
    }
  }

  func apply(
    _ reports: [ReceiptReport], needed: Int, passed: [PassedPosition], positions: [Int32: Int64]
  ) throws -> [ReceiptReport.Effect] {
    try checkPlace()
    let effects = try database.transaction {
      var numbers = try outputNumbers()
      let statements = try ReceiptStatements(database)
      var effects: [ReceiptReport.Effect] = []
      for report in reports { effects.append(try apply(report, needed, &numbers, statements)) }
      for position in passed {
        guard let number = try number(of: position.output, &numbers) else { continue }
        try statements.setPassed.run(
          .integer(scope), .integer(Int64(number)), .integer(Int64(position.partition)), .integer(position.next),
          .integer(position.time))
      }
      try record(positions, statements)
      return effects
    }
    FaultPoint.receiptsApplied.reached()
    return effects
  }

  private func apply(
    _ report: ReceiptReport, _ needed: Int, _ numbers: inout [String: Int], _ statements: ReceiptStatements
  ) throws -> ReceiptReport.Effect {
    guard let path = try report.path ?? path(of: report, statements),
      let (found, seen) = try progress(path, statements)
    else { return .unmatched }
    guard let number = try number(of: report.output, &numbers) else { return .ignored }
    var progress = found
    guard let change = report.change(&progress, number: number, needed: needed) else { return .unmatched }
    guard change != .none else { return .noted }
    var reason: Statement.Value = .null
    if case .deadLetter(let text) = change { reason = .text(text) }
    try statements.update.run(
      .integer(progress.state.rawValue), .integer(Int64(bitPattern: progress.outputs)), .integer(report.time), reason,
      .integer(scope), .text(path))
    return switch change {
    case .none, .noted: .noted
    case .confirmed: .confirmed(path: path, seen: seen)
    case .deadLetter(let reason): .deadLetter(path: path, reason: reason)
    case .lost: .lost(path: path)
    }
  }

  private func progress(_ path: String, _ statements: ReceiptStatements) throws -> (ReceiptReport.Progress, Int64)? {
    try statements.find.first(.integer(scope), .text(path)) { row -> (ReceiptReport.Progress, Int64)? in
      guard let digest = Digest(bytes: row.blob(0)) else { return nil }
      return (
        ReceiptReport.Progress(
          digest: digest, partition: Int32(clamping: row.integer(1)), offset: row.integer(2),
          outputs: UInt64(bitPattern: row.integer(3)), state: Ledger.State(rawValue: row.integer(4)) ?? .unknown),
        row.integer(5)
      )
    } ?? nil
  }

  /// The image whose last message is the one that a receipt without a name is about.
  private func path(of report: ReceiptReport, _ statements: ReceiptStatements) throws -> String? {
    try statements.findAtOffset.first(.integer(scope), .integer(Int64(report.partition)), .integer(report.offset)) {
      $0.text(0)
    }
  }

  private func outputNumbers() throws -> [String: Int] {
    var numbers: [String: Int] = [:]
    try database.prepare("SELECT id, number FROM outputs WHERE scope = ?").each(.integer(scope)) { row in
      numbers[row.text(0)] = Int(row.integer(1))
      return true
    }
    return numbers
  }

  /// The number of an output, which is new if the output is; nil if there are too many outputs.
  private func number(of output: String, _ numbers: inout [String: Int]) throws -> Int? {
    if let number = numbers[output] { return number }
    let number = numbers.count
    guard number < Self.mostOutputs else { return nil }
    try database.prepare("INSERT INTO outputs (scope, number, id) VALUES (?, ?, ?)").run(
      .integer(scope), .integer(Int64(number)), .text(output))
    numbers[output] = number
    return number
  }

  func setReceiptPositions(_ positions: [Int32: Int64]) throws {
    try database.transaction { try record(positions, ReceiptStatements(database)) }
  }

  private func record(_ positions: [Int32: Int64], _ statements: ReceiptStatements) throws {
    for (partition, next) in positions {
      try statements.setPosition.run(.integer(scope), .integer(Int64(partition)), .integer(next))
    }
  }

  func receiptPositions() throws -> [Int32: Int64] {
    var positions: [Int32: Int64] = [:]
    try database.prepare("SELECT partition, next FROM receipt_positions WHERE scope = ?").each(.integer(scope)) { row in
      positions[Int32(clamping: row.integer(0))] = row.integer(1)
      return true
    }
    return positions
  }

  func passedPositions() throws -> [PassedPosition] {
    var positions: [PassedPosition] = []
    try database.prepare(
      """
      SELECT id, partition, next, time FROM stored_positions JOIN outputs
        ON outputs.scope = stored_positions.scope AND number = output
      WHERE stored_positions.scope = ?
      """
    ).each(.integer(scope)) { row in
      positions.append(
        PassedPosition(
          output: row.text(0), partition: Int32(clamping: row.integer(1)), next: row.integer(2), time: row.integer(3)))
      return true
    }
    return positions
  }

  func lose(_ passed: [PassedPosition], needed: Int, excluding excluded: PathSet, limit: Int) throws -> [String] {
    if passed.isEmpty { return [] }
    let numbers = try outputNumbers()
    let lost = try database.transaction {
      // The ledger forgets the positions of a topic that was re-created, and knows when an output starts again.
      let find = try database.prepare(
        """
        SELECT path, outputs FROM files INDEXED BY waiting_files JOIN stored_positions AS stored
          ON stored.scope = files.scope AND stored.output = ? AND stored.partition = files.partition
        WHERE files.scope = ? AND state = 1 AND files.partition = ? AND offset >= 0 AND offset < ?
          AND offset < stored.next
        ORDER BY offset
        """)
      let update = try database.prepare("UPDATE files SET state = ? WHERE scope = ? AND path = ?")
      var lost: [String] = []
      for position in passed where lost.count < limit {
        guard let number = numbers[position.output].map({ Int64($0) }) else { continue }
        var (paths, stored): ([String], [String]) = ([], [])
        try find.each(
          .integer(number), .integer(scope), .integer(Int64(position.partition)), .integer(position.next)
        ) { row in
          let outputs = row.integer(1)
          if outputs & 1 << number == 0 {
            let path = row.text(0)
            if !excluded.contains(path) { paths.append(path) }
          } else if outputs.nonzeroBitCount >= needed {
            stored.append(row.text(0))
          }
          return lost.count + paths.count < limit
        }
        for path in paths { try update.run(.integer(Ledger.State.lost.rawValue), .integer(scope), .text(path)) }
        // They were sent again, and the topic has lost that. They had been confirmed before.
        for path in stored { try update.run(.integer(Ledger.State.confirmed.rawValue), .integer(scope), .text(path)) }
        lost += paths
      }
      return lost
    }
    if !lost.isEmpty { FaultPoint.lossRecorded.reached() }
    return lost
  }

  func setGone(_ paths: [String]) throws {
    try database.transaction {
      let update = try database.prepare("UPDATE files SET state = 5 WHERE scope = ? AND path = ? AND state = 4")
      for path in paths { try update.run(.integer(scope), .text(path)) }
    }
  }

  func isWaiting() throws -> Bool {
    try database.prepare("SELECT 1 FROM files INDEXED BY waiting_files WHERE scope = ? AND state = 1 LIMIT 1").first(
      .integer(scope)
    ) { _ in
      true
    } ?? false
  }

  func waiting() throws -> (count: Int, oldest: Int64?) {
    let count =
      try database.prepare("SELECT count(*) FROM files INDEXED BY waiting_files WHERE scope = ? AND state = 1").first(
        .integer(scope)
      ) {
        Int($0.integer(0))
      } ?? 0
    guard count > 0 else { return (0, nil) }
    // Of each partition, the image with the lowest offset is the oldest. So the index is enough to find it.
    var oldest: Int64?
    let first = try database.prepare(
      """
      SELECT partition, acknowledged FROM files INDEXED BY waiting_files
      WHERE scope = ? AND state = 1 AND partition > ? ORDER BY partition, offset LIMIT 1
      """)
    var partition: Int64 = -2
    while let row = try first.first(.integer(scope), .integer(partition), row: { ($0.integer(0), $0.integer(1)) }) {
      partition = row.0
      oldest = min(oldest ?? row.1, row.1)
    }
    return (count, oldest)
  }

  func paths(_ state: Ledger.State, after last: String, limit: Int) throws -> [String] {
    var paths: [String] = []
    let index = state == .lost ? "INDEXED BY lost_files" : state == .waiting ? "INDEXED BY waiting_files" : ""
    // The number is part of the text, so that the index of a state can be used.
    try database.prepare(
      """
      SELECT path FROM files \(index) WHERE scope = ? AND state = \(state.rawValue) AND path > ? ORDER BY path LIMIT ?
      """
    ).each(.integer(scope), .text(last), .integer(Int64(limit))) { row in
      paths.append(row.text(0))
      return true
    }
    return paths
  }

  func knowsOutputs() throws -> Bool { try !outputNumbers().isEmpty }
}

/// The statements that apply receipts.
private struct ReceiptStatements {
  let find: Statement
  let findAtOffset: Statement
  let update: Statement
  let setPassed: Statement
  let setPosition: Statement

  init(_ database: Database) throws {
    find = try database.prepare(
      "SELECT digest, partition, offset, outputs, state, seen FROM files WHERE scope = ? AND path = ?")
    findAtOffset = try database.prepare(
      """
      SELECT path FROM files INDEXED BY waiting_files WHERE scope = ? AND state = 1 AND partition = ? AND offset = ?
      """)
    update = try database.prepare(
      "UPDATE files SET state = ?, outputs = ?, confirmed = ?, reason = ? WHERE scope = ? AND path = ?")
    setPassed = try database.prepare(
      "REPLACE INTO stored_positions (scope, output, partition, next, time) VALUES (?, ?, ?, ?, ?)")
    setPosition = try database.prepare("REPLACE INTO receipt_positions (scope, partition, next) VALUES (?, ?, ?)")
  }
}
