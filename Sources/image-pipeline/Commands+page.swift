import Glibc
import Page
import Platform

extension Commands {
  /// Serves the page until it is stopped.
  func page() throws -> Int32 {
    try configuration.checkPage()
    var configuration = configuration
    let (output, csv) = try outputAndCSV()
    configuration.page.output = output
    configuration.consumer.outputPath = output
    configuration.producer.kafka.onLog = kafkaLog
    configuration.consumer.kafka.onLog = kafkaLog
    let environment = ProcessEnvironment.read().merging(["PROCESSED_IMAGES_DIR": output, "CSV_PATH": csv]) { $1 }
    let checks = Checks(environment: environment, stop: stop) { kind in
      switch kind {
      case .audit: ["audit", "--json"]
      // On a read-only mount, the doctor would find what the page may not do, not what a consumer may not do.
      case .doctor: ["doctor", "--json"] + (access(output, W_OK) == 0 ? [] : ["--kafka"])
      }
    }
    try PageService(configuration, checks: checks, log: log, stop: stop).run()
    return 0
  }
}
