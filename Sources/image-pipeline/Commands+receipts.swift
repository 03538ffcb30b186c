import Configuration
import Consumer
import Telemetry

extension Commands {
  /// Sends receipts for all that is stored now.
  func receipts() throws -> Int32 {
    var settings = configuration.consumer
    settings.kafka.onLog = kafkaLog
    let output = settings.outputPath
    let resend = ReceiptResend(settings, log: log, stop: stop) { name in
      print("\(name): its file is missing or has another size, so it is not confirmed")
    }
    switch try resend.run() {
    case .sent(let counts):
      print(
        "sent \(Quantity.count(counts.receipts, "receipt")) for \(Quantity.count(counts.images, "image")) in "
          + "\(Quantity.count(counts.partitions, "partition")) of \(settings.topic)")
      guard counts.missing > 0 else { return 0 }
      print(
        "NOT confirmed: \(Quantity.count(counts.missing, "image")). Producers that still wait for them send them again. "
          + "For the others: image-pipeline verify --resend where they were sent from, or image-pipeline repair")
    case .noOutput: print("\(output) is not the output of a consumer: correct PROCESSED_IMAGES_DIR")
    case .nothingStored:
      print("\(output) has nothing of \(settings.topic) on this cluster: correct TOPIC or PROCESSED_IMAGES_DIR")
    case .failed(let reason): print("NOT all receipts were sent: \(reason). Run it again")
    }
    return 1
  }
}
