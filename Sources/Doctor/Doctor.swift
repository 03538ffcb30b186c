import Cluster
package import Configuration
import Kafka
package import Platform
import Telemetry
import Wire

/// Checks everything that the pipeline depends on, from the versions to the disk, and reports each problem with its
/// fix.
///
/// Safe to run next to producers and consumers. It joins no group, takes no lock, commits and sends nothing, and writes
/// only small hidden files, which it removes. Every wait is bounded.
package struct Doctor {
  private let configuration: Configuration
  private let sides: DoctorSides
  private let outside: Bool
  private let stop: StopFlag

  /// - Parameter outside: true if somebody creates files in the input folder from outside while this runs. The doctor
  ///   then checks whether it notices them.
  package init(_ configuration: Configuration, sides: DoctorSides, outside: Bool, stop: StopFlag) {
    self.configuration = configuration
    self.sides = sides
    self.outside = outside
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
    if sides.producer {
      report.begin(.input)
      survey = InputCheck(settings: configuration.producer, stop: stop).look(report, outside: outside)
    }
    guard !stop.isSet else { return }
    var free: Int?
    if sides.consumer {
      report.begin(.output)
      free = OutputCheck(configuration.consumer).look(report, backlog: topic.backlog)
      if sides.producer,
        let finding = InputCheck.sameFolder(configuration.producer.input, configuration.consumer.outputPath)
      {
        report.add(finding)
      }
    }
    if sides.producer {
      report.begin(.state)
      StateCheck.look(configuration.producer, report)
    }
    report.begin(.sizes)
    report.add(limits(topic, brokers, survey, free: free).findings())
    report.begin(.health)
    HealthCheck.look(configuration.http, report)
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
    let result = inquiry.look(report)
    if let broker = brokers.first, !stop.isSet {
      report.add(ClockCheck.broker(check.clock(of: broker), result.settings))
    }
    if let finding = trial?.finding(stop: stop) { report.add(finding) }
    return (result, settings.map { SizeLimits.Broker(id: $0.id, settings: $0.settings) })
  }

  private func limits(
    _ topic: TopicInquiry.Result, _ brokers: [SizeLimits.Broker], _ survey: InputSurvey?, free: Int?
  ) -> SizeLimits {
    let name = configuration.consumer.topic
    return SizeLimits(
      sending: sides.producer ? .init(configuration.producer, largest: survey?.largest) : nil,
      storing: sides.consumer ? .init(configuration.consumer, free: free) : nil, topic: name,
      topicMaximum: topic.number("max.message.bytes"), topicRetention: topic.number("retention.bytes"),
      isTopicThere: topic.isThere, brokers: brokers, lettersTopic: DeadLetterTopic.name(of: name),
      lettersMaximum: topic.lettersMaximum)
  }
}
