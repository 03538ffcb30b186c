import Bucket
import Configuration
import Output
import Platform
import Telemetry

/// `verify` and `repair`. Both print their findings, and then their counts, to stdout.
extension Commands {
  /// Findings beyond this number are counted, not shown to people. JSON has all of them.
  private static let mostShown = 20

  // MARK: Verify

  func verify() throws -> Int32 {
    var input = configuration.producer.input
    if let given = options.input { input = given }
    let (compared, place) = try comparedOutput()
    let originals = try originals(input)
    let checked = try check(originals, compared, asJSON: isJSON)
    let result = checked.result
    if isJSON {
      print(
        Fields.json(
          [("verified", .of(result.verified)), ("bytes", .of(result.bytes))]
            + Verifier.Fault.allCases.map { ($0.rawValue, .of(result.faults[$0] ?? 0)) }))
    } else {
      print(
        result.isClean
          ? "verified: \(Quantity.count(result.verified, "image")), \(Quantity.bytes(result.bytes)): the same "
            + "SHA-256 in \(input), \(place)"
          : "NOT verified: \(checked.faults); \(Quantity.grouped(result.verified)) images are correct")
    }
    if options.resend, !checked.resendable.isEmpty {
      var settings = configuration.producer
      settings.input = input
      settings.once = true
      settings.only = checked.resendable
      settings.patience = .seconds(60)
      // These files are the originals of what was stored, or copies of them. None of them is waiting to be moved or
      // deleted.
      settings.afterSent = .keep
      guard try produce(settings) == 0 else { return 1 }
      if !isJSON {
        print("sent again: \(Quantity.count(checked.resendable.count, "image")); run verify again when they are stored")
      }
    }
    return result.isClean ? 0 : 1
  }

  struct Checked {
    let result: Verifier.Result
    /// Names of the images that are missing or altered.
    let resendable: PathSet

    var faults: String {
      Verifier.Fault.allCases.compactMap { fault in
        result.faults[fault].map { "\(Quantity.grouped($0)) \(fault)" }
      }.joined(separator: ", ")
    }
  }

  /// The output to compare with, and its name for people.
  private func comparedOutput() throws -> (any VerifiedOutput, String) {
    if options.output == nil, let bucket = configuration.consumer.bucket {
      return (try VerifiedBucket(bucket, stop: stop), "\(bucket.address) and its log")
    }
    let (output, csv) = try outputAndCSV()
    return (VerifiedFolder(output, csvPath: csv), "\(output) and \(csv)")
  }

  /// What the output is compared with.
  private func originals(_ input: String) throws -> any VerifiedInput {
    if options.input == nil, let bucket = configuration.producer.inputBucket {
      return VerifiedInputBucket(
        bucket, output: options.output == nil ? configuration.consumer.bucket?.address : nil, stop: stop)
    }
    return VerifiedInputFolder(input)
  }

  func check(_ input: any VerifiedInput, _ output: any VerifiedOutput, asJSON: Bool = false) throws -> Checked {
    var names = PathSet()
    var shown = 0
    let verifier = try Verifier(
      input: input, output: output, filter: configuration.producer.filter,
      namePrefix: configuration.producer.namePrefix, stop: stop
    ) { finding in
      if finding.fault == .missing || finding.fault == .altered { names.insert(finding.name) }
      if asJSON {
        return print(
          Fields.json([
            ("finding", .string(finding.fault.rawValue)), ("name", .string(finding.name)),
            ("text", .string(finding.detail)),
          ]))
      }
      shown += 1
      if shown <= Self.mostShown { print("\(finding.fault)  \(finding.name): \(finding.detail)") }
    }
    try verifier.run()
    if shown > Self.mostShown { print("... and \(Quantity.grouped(shown - Self.mostShown)) more") }
    return Checked(result: verifier.result, resendable: names)
  }

  /// The paths of the stored images and of the CSV file, from `--output` and `--csv`, or from the environment.
  func outputAndCSV() throws -> (output: String, csv: String) {
    var output = options.output ?? configuration.consumer.outputPath
    try FolderWanted.check(output, for: options.command.rawValue)
    while output.count > 1, output.hasSuffix("/") { output.removeLast() }
    var csv = options.csv ?? configuration.consumer.csvPath
    if let given = options.output, try FileStatus.of(joined(given, "processed_images"))?.kind == .folder {
      output = joined(given, "processed_images")
      if options.csv == nil, !configuration.hasOwnCSVPath { csv = joined(given, "processed_image_data.csv") }
    }
    return (output, csv)
  }

  // MARK: Repair

  func repair() throws -> Int32 {
    var shown = 0
    let (result, record) = try runRepair { [isJSON] finding in
      if isJSON { return print(Fields.json(finding.fields)) }
      guard let image = finding.image else { return print(finding.text) }
      shown += 1
      if shown <= Self.mostShown { print("not repaired  \(image): \(finding.text)") }
    }
    if isJSON {
      print(
        Fields.json([
          ("sound", .of(result.sound)), ("remaining", .of(result.remaining)), ("repairs", .of(result.repairs)),
          ("catalog_new", .of(result.isCatalogNew)),
        ]))
      return result.remaining == 0 ? 0 : 1
    }
    if shown > Self.mostShown { print("... and \(Quantity.grouped(shown - Self.mostShown)) more") }
    if result.isCatalogNew {
      print("the next consumer reads the topic from its beginning, and stores what is missing")
    }
    let sound = "\(Quantity.count(result.sound, "image")) as recorded in \(record)"
    guard result.remaining == 0 else {
      print(
        "NOT repaired: \(Quantity.count(result.remaining, "image")) must be sent again: run image-pipeline verify --resend on "
          + "the machine that sent them; \(sound)")
      return 1
    }
    print((result.repairs == 0 ? "nothing to repair: " : "repaired: ") + sound)
    return 0
  }

  /// - Returns: the outcome, and what the images were compared with.
  private func runRepair(_ report: @escaping (Repair.Finding) -> Void) throws -> (Repair.Result, String) {
    if options.output == nil, let bucket = configuration.consumer.bucket {
      let repair = try BucketRepair(bucket, stop: stop, report: report)
      try repair.run()
      return (repair.result, "the log of \(bucket.address)")
    }
    let (output, csv) = try outputAndCSV()
    let repair = try Repair(
      output: output, csvPath: csv, filter: configuration.producer.filter, log: log, stop: stop, report: report)
    try repair.run()
    return (repair.result, csv)
  }
}
