import Doctor
import Platform

extension Commands {
  func doctor() -> Int32 {
    // Findings are written as they arrive. The checks may take half a minute, and a user who stops them wants what was
    // found so far.
    let report = DoctorReport(format: isJSON ? .json : .text) { Terminal.write($0, to: 1) }
    let sides = DoctorSides(
      producer: options.lookAtProducer || !options.lookAtConsumer,
      consumer: options.lookAtConsumer || !options.lookAtProducer)
    Doctor(
      configuration, sides: sides, outside: options.outsideCanary, looksAtFolders: !options.lookAtKafka, stop: stop
    ).run(report)
    return report.counts.problems > 0 || stop.isSet ? 1 : 0
  }
}
