import Configuration
import DeadLetters
import Platform
import Producer
import Telemetry

/// The images that were sent and will not be stored unless somebody does something, as the producer's ledger has them.
struct UnstoredImages: Sendable {
  struct Image: Sendable {
    let path: String
    let fields: [(String, LogValue)]
  }

  private(set) var images: [Image] = []
  private(set) var areMore = false
  /// Why nothing is known.
  private(set) var problem: String?

  private static let most = 100

  init() {}

  /// Reads the ledger, next to a running producer.
  init(_ settings: ProducerSettings) {
    do {
      let status = try LedgerStatus(settings)
      if status.scopes.isEmpty {
        problem =
          "the ledger \(settings.stateFolder) has nothing of IMAGES_DIR=\(settings.input) and TOPIC=\(settings.topic)"
      }
      for scope in status.scopes {
        for state in [Ledger.State.deadLetter, .gone] {
          let found = try status.images(scope, state, limit: Self.most + 1)
          areMore = areMore || found.count > Self.most
          images += found.prefix(Self.most).map(Self.image)
        }
      }
    } catch { problem = "\(error)" }
  }

  private static func image(_ image: LedgerStatus.Image) -> Image {
    let isGone = image.state == .gone
    let fix =
      isGone
      ? "Put the file back into the input. Then it is sent again."
      : LetterFix.fix(image.reason) ?? "Correct the file. A changed file is sent again."
    let fields: [(String, LogValue)] = [
      ("path", .string(image.path)),
      ("state", .string(isGone ? "The topic lost the image, and its file is gone" : "A consumer cannot store it")),
      ("kind", image.reason.isEmpty ? .absent : .string(image.reason)), ("fix", .string(fix)),
      ("bytes", .of(image.size)), ("sent", image.sent == 0 ? .absent : .of(image.sent)),
    ]
    return Image(path: image.path, fields: fields)
  }

  var json: String {
    Fields.json([("problem", problem.map { .string($0) } ?? .absent), ("more", .of(areMore))]).dropLast()
      + ",\"images\":[" + images.map { Fields.json($0.fields) }.joined(separator: ",") + "]}"
  }
}
