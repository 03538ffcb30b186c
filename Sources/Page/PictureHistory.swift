import Configuration
import Platform
import Producer
import Telemetry
import Wire

/// What the producer's ledger knows of a stored image, if the page sees a ledger.
struct PictureHistory: Sendable {
  private let producer: ProducerSettings

  init(_ producer: ProducerSettings) { self.producer = producer }

  /// - Returns: a JSON object; nil if there is no ledger, or if it has no such image.
  func json(of picture: Picture) -> String? {
    guard let path = path(of: picture.name), let status = try? LedgerStatus(producer) else { return nil }
    for scope in status.scopes {
      // A later version of the file has another hash, and its times say nothing of this one.
      guard let image = try? status.image(scope, path: path), image.digest == picture.row.digest.hex else { continue }
      func time(_ milliseconds: Int64) -> LogValue { milliseconds == 0 ? .absent : .of(milliseconds) }
      return Fields.json([
        ("modified", time(image.modified)), ("receipt", time(image.receipt)),
        // Otherwise nobody reads receipts.
        ("state", producer.receiptsNeeded > 0 ? .string(image.state.name) : .absent), ("sent_again", .of(image.resent)),
      ])
    }
    return nil
  }

  /// The path in the input; nil if the image has another producer's prefix.
  private func path(of name: String) -> String? {
    let (name, prefix) = (name.utf8, producer.namePrefix.utf8)
    return name.starts(with: prefix) ? String(name.dropFirst(prefix.count)) : nil
  }
}
