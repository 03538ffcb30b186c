import Kafka
import Output
import Platform

/// Looks after every assignment whether somebody else is in the consumers' group. A new member brings a new assignment, so
/// nobody gets in unseen.
///
/// On a thread of its own, by a connection that lasts as long as a look: the answer takes a while, and nothing waits for it.
final class GroupCensus: Sendable {
  private let wishes = BoundedQueue<Void>(capacity: 1)
  private let isOver = StopFlag()
  private let thread: BackgroundThread

  /// How long one question waits for its answer, in ms, and how often it is asked.
  private static let patience = 1_000
  private static let attempts = 10
  private static let pause = 100
  /// Longer than the group keeps a member that is gone, by so much, in ms.
  private static let margin = 2_000

  /// - Parameters:
  ///   - kafka: the consumer's own settings.
  ///   - output: the output's id.
  init(_ kafka: KafkaSettings, topic: String, output: String, slot: ConsumerSlot, events: ConsumerEvents) {
    let look = Look(kafka: kafka, topic: topic, output: output, slot: slot, events: events, isOver: isOver)
    thread = BackgroundThread.start("group") { [wishes] in
      while wishes.pop(timeoutMilliseconds: nil) != nil { look.run() }
    }
  }

  /// Waits for a look that is under way, which takes about a second at most.
  func end() {
    isOver.set()
    wishes.close()
    thread.join()
  }

  /// There is a new assignment. Does not wait.
  func assigned() { _ = wishes.tryPush(()) }

  /// Who has the instance id of a consumer that was fenced: the one that took its place. nil where nobody says it.
  static func holder(of instance: String, _ kafka: KafkaSettings, topic: String) -> KafkaClient.GroupMember? {
    members(kafka, topic: topic, attempts: 2, until: StopFlag())?.first { $0.id.hasPrefix(instance + "-") }
  }

  private static func members(_ kafka: KafkaSettings, topic: String, attempts: Int, until isOver: StopFlag)
    -> [KafkaClient.GroupMember]?
  {
    var settings = kafka
    // What is wrong with the broker the consumer itself says.
    settings.onLog = nil
    guard let client = try? KafkaConsumer(settings, topic: topic) else { return nil }
    defer { client.unsubscribeAndClose() }
    for _ in 0..<attempts where !isOver.isSet {
      do {
        return try client.members(ofGroup: kafka.values["group.id"] ?? "", timeoutMilliseconds: patience)
      } catch {
        if error.isUnsupported || error.isAuthorization || isOver.wait(milliseconds: pause) { return nil }
      }
    }
    return nil
  }

  private struct Look: Sendable {
    let kafka: KafkaSettings
    let topic: String
    let output: String
    let slot: ConsumerSlot
    let events: ConsumerEvents
    let isOver: StopFlag

    func run() {
      guard !isOver.isSet, let first = strangers() else { return }
      let certain = first.filter { $0.kind != .copy }
      // Nothing is certain yet of the others.
      if !certain.isEmpty || first.isEmpty { events.groupHas(certain) }
      guard certain.count < first.count else { return }
      // One of ours that has ended is a member for as long as a session lasts, and holds no slot either.
      let session = Int(kafka.values["session.timeout.ms"] ?? "") ?? 10_000
      guard !isOver.wait(milliseconds: session + GroupCensus.margin), let second = strangers() else { return }
      events.groupHas(second.filter { $0.kind != .copy || first.contains($0) })
    }

    /// nil where nobody says who is there: this user may not see it, or the broker does not know the question.
    private func strangers() -> [GroupStranger]? {
      let members = GroupCensus.members(kafka, topic: topic, attempts: GroupCensus.attempts, until: isOver)
      return members.map {
        GroupStranger.among($0, output: output, instance: kafka.values["group.instance.id"], isOurSlot: isHeld)
      }
    }

    private func isHeld(_ number: Int) -> Bool {
      if number == slot.number { return true }
      // Where that cannot be seen, nobody is accused.
      guard let others = try? slot.others() else { return true }
      return (try? others.first { $0.number == number }?.isTaken() ?? false) ?? true
    }
  }
}
