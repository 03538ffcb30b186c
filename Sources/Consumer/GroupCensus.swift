import Kafka
import Output
import Platform

/// Checks after every assignment whether a stranger is in the consumers' group. A new member brings a new assignment,
/// so nobody joins unseen.
///
/// The check has a thread of its own and a connection that lasts as long as one look. The answer takes a while, and
/// nothing waits for it.
final class GroupCensus: Sendable {
  private let wishes = BoundedQueue<Void>(capacity: 1)
  private let isOver = StopFlag()
  private let hasEnded = StopFlag()

  /// How long one question waits for its answer, and how often it is asked at most.
  private static let patience = Duration.seconds(1)
  /// The longest wait for a look that is under way when the consumer ends.
  private static let patienceAtEnd = Duration.seconds(5)
  private static let attempts = 10
  private static let pause = Duration.milliseconds(100)
  /// Added to the session timeout. By then the group has dropped a member that is gone.
  private static let margin = Duration.seconds(2)

  /// - Parameters:
  ///   - kafka: the consumer's own settings.
  ///   - output: the id of the output.
  init(_ kafka: KafkaSettings, topic: String, output: String, slot: ConsumerSlot, events: ConsumerEvents) {
    let look = Look(kafka: kafka, topic: topic, output: output, slot: slot, events: events, isOver: isOver)
    _ = BackgroundThread.start("group") { [wishes, hasEnded] in
      while wishes.pop(timeout: nil) != nil { look.run() }
      hasEnded.set()
    }
  }

  /// Ends the thread. Waits for a look that is under way, which takes about a second.
  func end() {
    isOver.set()
    wishes.close()
    _ = hasEnded.wait(for: Self.patienceAtEnd)
  }

  /// Requests a look after a new assignment. Does not wait.
  func assigned() { _ = wishes.tryPush(()) }

  /// The member that has the instance id of a fenced consumer, because it took its place; nil if nobody tells.
  static func holder(of instance: String, _ kafka: KafkaSettings, topic: String) -> KafkaClient.GroupMember? {
    members(kafka, topic: topic, attempts: 2, until: StopFlag())?.first { $0.id.hasPrefix(instance + "-") }
  }

  private static func members(_ kafka: KafkaSettings, topic: String, attempts: Int, until isOver: StopFlag)
    -> [KafkaClient.GroupMember]?
  {
    var settings = kafka
    // The consumer's own client already reports the broker's troubles.
    settings.onLog = nil
    guard let client = try? KafkaConsumer(settings, topic: topic) else { return nil }
    defer { client.unsubscribeAndClose() }
    for _ in 0..<attempts where !isOver.isSet {
      do {
        return try client.members(ofGroup: kafka.values["group.id"] ?? "", timeout: patience)
      } catch {
        if error.isUnsupported || error.isAuthorization || isOver.wait(for: pause) { return nil }
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
      // The suspected copies are not certain yet.
      if !certain.isEmpty || first.isEmpty { events.groupHas(certain) }
      guard certain.count < first.count else { return }
      // A consumer of ours that has exited remains a member until its session times out, and holds no slot either.
      let session = Duration.milliseconds(Int(kafka.values["session.timeout.ms"] ?? "") ?? 10_000)
      guard !isOver.wait(for: session + GroupCensus.margin), let second = strangers() else { return }
      events.groupHas(second.filter { $0.kind != .copy || first.contains($0) })
    }

    /// nil if the members are not known: this user may not see them, or the broker does not support the question.
    private func strangers() -> [GroupStranger]? {
      let members = GroupCensus.members(kafka, topic: topic, attempts: GroupCensus.attempts, until: isOver)
      return members.map {
        GroupStranger.among($0, output: output, instance: kafka.values["group.instance.id"], isOurSlot: isHeld)
      }
    }

    private func isHeld(_ number: Int) -> Bool {
      if number == slot.number { return true }
      // If the lock cannot be checked, nobody is accused.
      guard let others = try? slot.others() else { return true }
      return (try? others.first { $0.number == number }?.isTaken() ?? false) ?? true
    }
  }
}
