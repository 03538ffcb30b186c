import Glibc
import Page
import Platform

extension Commands {
  /// Serves the page until it is stopped.
  func page() throws -> Int32 {
    try configuration.checkPage()
    var configuration = configuration
    var environment = ProcessEnvironment.read()
    if options.output != nil { configuration.consumer.bucket = nil }
    // On a read-only mount, the doctor would find what the page may not do, not what a consumer may not do. It tries a bucket by
    // writing, for which the page needs no right.
    let doctor: [String]
    if let bucket = configuration.consumer.bucket {
      configuration.page.output = bucket.address.description
      doctor = ["doctor", "--json", "--kafka"]
    } else {
      let (output, csv) = try outputAndCSV()
      configuration.page.output = output
      configuration.consumer.outputPath = output
      environment.merge(["PROCESSED_IMAGES_DIR": output, "CSV_PATH": csv]) { $1 }
      doctor = ["doctor", "--json"] + (access(output, W_OK) == 0 ? [] : ["--kafka"])
    }
    configuration.producer.kafka.onLog = kafkaLog
    configuration.consumer.kafka.onLog = kafkaLog
    let checks = Checks(environment: environment, stop: stop) { kind in
      switch kind {
      case .audit: ["audit", "--json"]
      case .doctor: doctor
      }
    }
    try PageService(configuration, checks: checks, log: log, stop: stop).run()
    return 0
  }
}
