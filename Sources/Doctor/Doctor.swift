import Cluster
package import Configuration
import Kafka
package import Platform
import Telemetry
import Wire

/// Checks everything that the pipeline depends on, from the versions to the disk, and reports each problem with its
/// fix.
///
/// Safe to run next to producers and consumers. It joins no group, takes no lock, and commits nothing. It sends nothing
/// but messages that every broker refuses, and writes only small hidden files, which it removes. Every wait is bounded.
package struct Doctor {
  private let configuration: Configuration
  private let sides: DoctorSides
  private let outside: Bool
  private let looksAtFolders: Bool
  private let stop: StopFlag

  /// - Parameters:
  ///   - outside: true if somebody creates files in the input folder from outside while this runs. The doctor
  ///     then checks whether it notices them.
  ///   - looksAtFolders: false if this process does not have the rights of producer and consumer in their folders.
  package init(
    _ configuration: Configuration, sides: DoctorSides, outside: Bool, looksAtFolders: Bool = true, stop: StopFlag
  ) {
    self.configuration = configuration
    self.sides = sides
    self.outside = outside
    self.looksAtFolders = looksAtFolders
    self.stop = stop
  }

  /// Runs all checks. Returns early once `stop` is set.
  package func run(_ report: DoctorReport) {
    defer { report.end(isStopped: stop.isSet) }
    report.begin(.versions)
    report.add(VersionCheck().findings())
    report.add(
      configuration.warnings.map {
        .note("setting_questionable", $0, "image-pipeline --help lists the variables; librdkafka's are in its manual")
      })
    report.begin(.clock)
    report.add(ClockCheck.here().findings())
    report.begin(.process)
    report.add(ProcessCheck.here(configuration, sides).findings())
    guard !stop.isSet else { return }

    let (topic, brokers) = lookAtKafka(report)
    guard !stop.isSet else { return }
    var survey: InputSurvey?
    if sides.producer, looksAtFolders {
      report.begin(.input)
      survey = InputCheck(settings: configuration.producer, stop: stop).look(report, outside: outside)
    }
    guard !stop.isSet else { return }
    var free: Int?
    if sides.consumer, looksAtFolders {
      report.begin(.output)
      if let bucket = configuration.consumer.bucket {
        BucketCheck.look(bucket, report)
      } else {
        free = OutputCheck(configuration.consumer).look(report, backlog: topic.backlog)
      }
      if sides.producer,
        let finding = InputCheck.sameFolder(configuration.producer.input, configuration.consumer.outputPath)
      {
        report.add(finding)
      }
    }
    if sides.producer, looksAtFolders {
      report.begin(.state)
      StateCheck.look(configuration.producer, report)
    }
    report.begin(.sizes)
    report.add(limits(topic, brokers, survey, free: free).findings())
    if let finding = topic.receipts?.size { report.add(finding) }
    if looksAtFolders {
      report.begin(.health)
      HealthCheck.look(configuration.http, report)
    }
  }

  private func lookAtKafka(_ report: DoctorReport) -> (TopicInquiry.Result, [SizeLimits.Broker]) {
    report.begin(.kafka)
    let nothing = TopicInquiry.Result()
    let check: BrokerCheck
    var trial: SendingTrial?
    do {
      check = try BrokerCheck(configuration.consumer.kafka, topic: configuration.consumer.topic, stop: stop)
      if sides.producer { trial = try SendingTrial(configuration.producer.kafka) }
    } catch {
      report.add(
        .problem(
          "client_settings",
          error, before: "the client refuses its settings",
          cure: "change the KAFKA_ variables that it names, or leave "
            + "them unset"))
      return (nothing, [])
    }
    defer {
      trial?.close()
      check.close()
    }
    guard let brokers = check.look(report) else {
      if !stop.isSet {
        report.add(
          .note(
            "checks_skipped", "skipped: topic, backlog, limits of topic and brokers",
            "run doctor again when a broker is reachable")
        )
      }
      return (nothing, [])
    }
    let settings = check.settings(of: brokers, report)
    report.begin(.topic)
    let inquiry = TopicInquiry(broker: check, configuration: configuration, sides: sides, stop: stop)
    var result = inquiry.look(report)
    result.receipts = ReceiptsInquiry(broker: check, configuration: configuration, sides: sides, stop: stop).look(
      report, sourceRetention: result.number("retention.ms"))
    let producer = configuration.producer
    if sides.producer, producer.afterSent != .keep, producer.receiptsNeeded == 0, !stop.isSet {
      RetentionInquiry(broker: check, configuration: configuration, sides: sides, stop: stop).look(
        report, result)
    }
    if let broker = brokers.first, !stop.isSet {
      report.add(ClockCheck.broker(check.clock(of: broker), result.settings))
    }
    if let finding = trial?.finding(stop: stop) ?? (sides.producer ? unwritable(result.description, check) : nil) {
      report.add(finding)
    }
    return (result, settings.map { SizeLimits.Broker(id: $0.id, settings: $0.settings) })
  }

  /// A producer gets its id if it may write to any topic. So whether it may write to this one is tried, too.
  private func unwritable(_ topic: TopicDescription?, _ check: BrokerCheck) -> Finding? {
    guard check.tellsSettings, !stop.isSet, let partition = topic?.partitions.first(where: { $0.leader != nil }) else {
      return nil
    }
    do {
      try WriteTrial.run(
        configuration.producer.kafka, topic: configuration.producer.topic, partition: partition.number,
        timeout: BrokerCheck.answer)
      return nil
    } catch {
      guard error.isAuthorization else { return nil }
      return .problem(
        "sending_permitted", error, before: "a producer cannot send here", cure: "look at the broker's log")
    }
  }

  private func limits(
    _ topic: TopicInquiry.Result, _ brokers: [SizeLimits.Broker], _ survey: InputSurvey?, free: Int?
  ) -> SizeLimits {
    let name = configuration.consumer.topic
    return SizeLimits(
      sending: sides.producer ? .init(configuration.producer, largest: survey?.largest) : nil,
      storing: sides.consumer ? .init(configuration.consumer, free: free) : nil, topic: name,
      topicMaximum: topic.number("max.message.bytes"), topicRetention: topic.number("retention.bytes"),
      isTopicThere: topic.description != nil, brokers: brokers, lettersTopic: DeadLetterTopic.name(of: name),
      lettersMaximum: topic.lettersMaximum)
  }
}
