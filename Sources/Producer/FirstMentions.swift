import Synchronization

/// The texts that have been mentioned. Their number is bounded: beyond it, texts are forgotten.
final class FirstMentions: Sendable {
  private let texts = Mutex<Set<String>>([])
  private static let most = 10_000

  /// - Returns: true the first time.
  func add(_ text: String) -> Bool {
    texts.withLock { texts in
      if texts.count >= Self.most { texts = [] }
      return texts.insert(text).inserted
    }
  }
}
