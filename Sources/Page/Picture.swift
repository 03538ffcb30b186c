import Output
import Platform
import Telemetry

/// A stored version of an image, as the page shows it.
struct Picture: Sendable {
  let id: Int64
  let row: StoredRow
  /// The image's name: its path in the output.
  let name: String
  /// Whether the output has this version now. Otherwise a newer one has replaced it.
  let isCurrent: Bool

  /// What a list needs.
  private var summary: [(String, LogValue)] {
    [
      ("id", .of(id)), ("name", .string(name)), ("label", .string(row.label)), ("format", .string(row.format)),
      ("bytes", .of(row.size)), ("width", row.width.map { .of($0) } ?? .absent),
      ("height", row.height.map { .of($0) } ?? .absent), ("sent", row.sentTime.map { .of($0) } ?? .absent),
      ("stored", .of(row.storedTime)),
      ("current", .of(isCurrent)),
    ]
  }

  var json: String { Fields.json(summary) }

  /// Everything that the catalog knows.
  /// - Parameter history: what the ledger knows, as JSON.
  func detailedJSON(history: String?) -> String {
    let facts = Fields.json(
      summary + [
        ("sha256", .string(row.digest.hex)), ("topic", .string(row.topic)),
        ("partition", row.partition < 0 ? .absent : .of(row.partition)),
        ("offset", row.offset < 0 ? .absent : .of(row.offset)),
        ("path", .string(row.filePath)),
      ])
    return facts.dropLast() + ",\"ledger\":\(history ?? "null")}"
  }
}

/// A part of the list of pictures, newest first.
struct PicturePage {
  var pictures: [Picture] = []
  /// The rows below this id have not been looked at; nil if there are none.
  var next: Int64?

  func json(catalog: String, newest: Int64) -> String {
    "{\"catalog\":\(Fields.json([("id", .string(catalog)), ("newest", .of(newest))])),\"next\":"
      + (next.map { String($0) } ?? "null") + ",\"pictures\":[" + pictures.map(\.json).joined(separator: ",") + "]}"
  }
}
