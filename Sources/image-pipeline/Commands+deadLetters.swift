import DeadLetters
import Telemetry

extension Commands {
  /// Lists the dead letters, or sends them back: one line for each dead letter that is listed, and the total. Printed
  /// to stdout.
  func deadLetters() throws -> Int32 {
    var configuration = configuration
    configuration.producer.kafka.onLog = kafkaLog
    configuration.consumer.kafka.onLog = kafkaLog
    let service = DeadLetterService(configuration, log: log, stop: stop) { [options, isJSON] letter in
      if letter.isReplayed && !options.all || options.replay { return }
      print(isJSON ? Fields.json(letter.fields) : Fields.text(letter.fields))
    }
    let counts = try options.replay ? service.replay() : service.list()
    if isJSON {
      print(
        Fields.json([
          ("total", .of(counts.waiting)), ("in_topic", .of(counts.inTopic)), ("on_disk", .of(counts.onDisk)),
          ("sent_back", .of(counts.sent)), ("failed", .of(counts.failed)), ("stay", .of(counts.foreign)),
          ("sent_back_before", .of(counts.replayed)),
        ]))
    } else {
      print((options.replay ? replayed(counts) : listed(counts)) + (stop.isSet ? "; stopped before the end" : ""))
    }
    return counts.failed > 0 || stop.isSet ? 1 : 0
  }

  private func listed(_ counts: DeadLetterService.Counts) -> String {
    var text = counts.waiting == 0 ? "no dead letters" : Quantity.count(counts.waiting, "dead letter")
    if counts.onDisk > 0 { text += ", \(Quantity.grouped(counts.onDisk)) of them on disk" }
    if counts.foreign > 0 { text += "; \(others(counts))" }
    if counts.replayed > 0 {
      text += "; \(Quantity.grouped(counts.replayed)) sent back before" + (options.all ? "" : " (--all lists them)")
    }
    return text
  }

  private func replayed(_ counts: DeadLetterService.Counts) -> String {
    var text = "sent back: \(Quantity.count(counts.sent, "dead letter"))"
    if counts.failed > 0 { text += "; \(Quantity.grouped(counts.failed)) could not be sent" }
    if counts.foreign > 0 { text += "; \(others(counts))" }
    return text
  }

  private func others(_ counts: DeadLetterService.Counts) -> String {
    "\(Quantity.count(counts.foreign, "message")) that cannot be sent back"
  }
}
