import Configuration
import Consumer
import DeadLetters
import Kafka
import Platform
import Wire

/// Asks the brokers about the topic, the group's positions and the dead letters. It joins no group and commits nothing.
struct TopicInquiry {
  let broker: BrokerCheck
  let configuration: Configuration
  let sides: DoctorSides
  let stop: StopFlag

  private var topic: String { configuration.consumer.topic }
  private var client: KafkaConsumer { broker.client }
  private var group: String { broker.settings.values["group.id"] ?? "" }

  /// The facts that later checks need.
  struct Result {
    /// nil if the topic does not exist, or if it cannot be inspected.
    var description: TopicDescription?
    var isInspected = false
    var settings: [String: String]?
    var backlog: Backlog?
    var lettersMaximum: Int?
    var receipts: ReceiptsCheck?
    func number(_ name: String) -> Int? { settings?[name].flatMap { Int($0) } }
  }

  /// Messages are read from at most this many partitions, for their size and age.
  private static let mostRead = 8

  func look(_ report: DoctorReport) -> Result {
    var result = Result()
    var check = TopicCheck(name: topic, wanted: configuration.consumer.newTopic)
    do {
      check.description = try client.description(of: topic, timeout: BrokerCheck.answer)
    } catch {
      report.add(
        .problem(
          "topic_partitions",
          error, before: "the topic cannot be inspected",
          cure: "look at the broker's log, and check whether it is still starting")
      )
      return result
    }
    result.isInspected = true
    if let description = check.description, !stop.isSet {
      result.description = description
      if broker.tellsSettings {
        do { check.settings = try client.topicSettings(topic, timeout: BrokerCheck.answer) } catch {
          report.add(BrokerCheck.untold("topic_settings", "the settings of \(topic)", error))
        }
      }
      result.settings = check.settings
      if sides.consumer { lookAtGroup(&check, report) }
      report.add(check.findings())
      if sides.consumer, !stop.isSet {
        result.backlog = backlog(of: description, check.settings, report)
        if let backlog = result.backlog {
          report.add(backlog.findings())
          if let newest = backlog.newest {
            report.add(ClockCheck.messages(newest: newest, check.settings, now: WallClock.milliseconds))
          }
        }
        result.lettersMaximum = letters(report)
      }
    } else if !stop.isSet {
      report.add(check.findings())
    }
    return result
  }

  private func lookAtGroup(_ check: inout TopicCheck, _ report: DoctorReport) {
    check.group = group
    do {
      let members = try client.members(ofGroup: group, timeout: BrokerCheck.answer)
      check.members = members.count
      check.strangers = GroupStranger.among(
        members, output: DatabaseCheck.catalogID(in: configuration.consumer.outputPath),
        instance: broker.settings.values["group.instance.id"])
    } catch { report.add(BrokerCheck.untold("group_members", "the members of group \(group)", error)) }
  }

  // MARK: Backlog

  private func backlog(
    of description: TopicDescription, _ settings: [String: String]?, _ report: DoctorReport
  ) -> Backlog? {
    var backlog = Backlog(settings)
    do {
      backlog.partitions = try broker.backlog(
        of: topic, description.led, committed: broker.committed(description.led, stop: stop),
        Deadline(in: BrokerCheck.offsetsPatience), stop: stop)
    } catch {
      report.add(
        .problem(
          "backlog",
          error, before: "the backlog is unknown", cure: "look at the broker's log, and try again"))
      return nil
    }
    do { try read(&backlog) } catch {
      report.add(
        .problem(
          "messages_readable", error, before: "messages cannot be read", cure: "look at the broker's log, and try again"
        ))
    }
    if backlog.partitions.count < description.partitions.count {
      report.add(
        .ok(
          "partitions_unchecked",
          "\(description.partitions.count - backlog.partitions.count) partitions were not checked"))
    }
    return backlog
  }

  /// Reads the oldest message that is not stored and the newest one, of a few partitions. If no messages wait, it
  /// checks whether this user may read at all.
  private func read(_ backlog: inout Backlog) throws(KafkaError) {
    guard let any = backlog.partitions.first(where: { $0.high > $0.low }) ?? backlog.partitions.first, !stop.isSet
    else { return }
    let waiting = backlog.partitions.indices.filter { backlog.partitions[$0].waiting > 0 }
    let reader = try PartitionReader(broker.settings)
    if waiting.isEmpty {
      // This reads the last message. At the end of an empty partition, nothing arrives except a possible refusal.
      let last = try reader.read(
        topic: topic, partition: any.number, offset: max(any.low, any.high - 1),
        timeout: BrokerCheck.answer)
      backlog.newest = last?.timestamp
    }
    var (count, bytes) = (0, 0)
    for index in waiting.sorted(by: { backlog.partitions[$0].waiting > backlog.partitions[$1].waiting }).prefix(
      Self.mostRead)
    where !stop.isSet {
      let partition = backlog.partitions[index]
      for offset in Set([partition.next, partition.high - 1]).sorted() {
        guard
          let message = try reader.read(
            topic: topic, partition: partition.number, offset: offset, timeout: BrokerCheck.answer)
        else { continue }
        count += 1
        bytes += message.size
        backlog.newest = [backlog.newest, message.timestamp].compactMap(\.self).max()
        if offset == partition.next { backlog.partitions[index].oldest = message.timestamp }
      }
    }
    if count > 0 { backlog.averageBytes = bytes / count }
  }

  // MARK: Dead letters

  /// - Returns: the largest message that the topic of the dead letters accepts; nil if the topic does not exist, or if
  ///   the broker does not tell.
  private func letters(_ report: DoctorReport) -> Int? {
    let name = DeadLetterTopic.name(of: topic)
    // If the name is too long for Kafka, all dead letters are on disk.
    guard name.utf8.count <= 249 else { return nil }
    do {
      guard let description = try client.description(of: name, timeout: BrokerCheck.answer) else {
        report.add(.ok("dead_letters", "no dead letters: \(name) is created with the first one"))
        return nil
      }
      let offsets = try LetterOffsets(broker.settings, topic: name)
      defer { offsets.close() }
      var waiting: Int64 = 0
      for partition in description.partitions.prefix(BrokerCheck.mostPartitions)
      where partition.leader != nil && !stop.isSet {
        let number = partition.number
        let marks = try BrokerCheck.asking(stop) { (time) throws(KafkaError) in
          try client.watermarks(of: name, partition: number, timeout: time)
        }
        let next = try BrokerCheck.asking(stop) { (time) throws(KafkaError) in
          try offsets.client.committed(partitions: [number], timeout: time)
        }[number]
        waiting += marks.high - max(marks.low, min(marks.high, next ?? 0))
      }
      let settings =
        broker.tellsSettings ? try? client.topicSettings(name, timeout: BrokerCheck.answer) : nil
      report.add(LettersCheck(topic: name, waiting: Int(waiting), settings: settings).findings())
      return settings?["max.message.bytes"].flatMap { Int($0) }
    } catch {
      report.add(
        .note("dead_letters", "the dead letters cannot be counted: \(error)", "image-pipeline dead-letters shows more"))
      return nil
    }
  }
}
