import Configuration
import Platform
import Telemetry

/// Checks the identity of this process, and its limits.
struct ProcessCheck {
  var uid: UInt32
  var gid: UInt32
  var limits: ProcessLimits
  /// The memory that the sides need at most by their settings, in bytes.
  var memoryNeeded: Int

  /// The memory of either side with the default settings, in bytes.
  private static let usualMemory = 96_000_000
  /// The consumer keeps up to 200 folders open. Files, sockets and levels of folders are added to that.
  private static let filesNeeded = 400

  static func here(_ configuration: Configuration, _ sides: DoctorSides) -> ProcessCheck {
    let (uid, gid) = HostIdentity.userAndGroup
    return ProcessCheck(
      uid: uid, gid: gid, limits: .now(),
      memoryNeeded: memoryNeeded(configuration.producer, configuration.consumer, sides))
  }

  /// Settings above their defaults add to the usual memory.
  static func memoryNeeded(_ producer: ProducerSettings, _ consumer: ConsumerSettings, _ sides: DoctorSides) -> Int {
    let byDefault = (
      producer: ProducerSettings(input: "", topic: "", stateFolder: "", kafka: producer.kafka),
      consumer: ConsumerSettings(topic: "", outputPath: "", csvPath: "", kafka: consumer.kafka)
    )
    let sending = max(0, producer.inFlightBytes - byDefault.producer.inFlightBytes)
    let storing = max(0, consumer.batchBytes - byDefault.consumer.batchBytes)
    // The sides are two processes. The larger one decides.
    return usualMemory + max(sides.producer ? sending : 0, sides.consumer ? storing : 0)
  }

  func findings() -> [Finding] {
    var findings: [Finding] = [.ok("user", "uid \(uid), gid \(gid)")]
    if limits.openFiles > 0 {
      findings.append(
        limits.openFiles < Self.filesNeeded
          ? .problem(
            "open_files",
            "at most \(limits.openFiles) open files, and up to \(Self.filesNeeded) are needed",
            cure: "raise it: ulimit -n 1024, LimitNOFILE=1024 (systemd), ulimits: { nofile: 1024 } (compose)")
          : .ok("open_files", "at most \(Quantity.grouped(limits.openFiles)) open files"))
    }
    if let memory = limits.memory {
      let have = "memory limited to \(Quantity.bytes(memory))"
      findings.append(
        memory < memoryNeeded
          ? .problem(
            "memory",
            "\(have), and up to \(Quantity.bytes(memoryNeeded)) are needed",
            cure: "raise the limit (PIPELINE_MEMORY in .env), or lower IN_FLIGHT_BYTES and BATCH_BYTES")
          : .ok("memory", "\(have); up to \(Quantity.bytes(memoryNeeded)) are needed"))
    } else {
      findings.append(.ok("memory", "no limit of memory; up to \(Quantity.bytes(memoryNeeded)) are needed"))
    }
    return findings
  }
}
