import Consumer
import Telemetry

extension Commands {
  /// Sends receipts for all that is stored now.
  func receipts() throws -> Int32 {
    var settings = configuration.consumer
    settings.kafka.onLog = kafkaLog
    let output = settings.outputPath
    switch try ReceiptResend(settings, log: log, stop: stop).run() {
    case .sent(let counts):
      print(
        "sent \(Quantity.count(counts.receipts, "receipt")) for \(Quantity.count(counts.images, "image")) in "
          + "\(Quantity.count(counts.partitions, "partition")) of \(settings.topic)")
      return 0
    case .noOutput: print("\(output) has no catalog: set PROCESSED_IMAGES_DIR to the output of a consumer")
    case .nothingStored:
      print("\(output) has nothing of \(settings.topic) on this cluster: correct TOPIC or PROCESSED_IMAGES_DIR")
    case .failed(let reason): print("NOT all receipts were sent: \(reason). Run it again")
    }
    return 1
  }
}
