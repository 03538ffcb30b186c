/// The command line's command and options. Everything else comes from the environment.
struct Options {
  enum Command: String, CaseIterable {
    case producer, consumer, page, status, demo, verify, audit, export, messages, receipts, repair, health, doctor
    case deadLetters = "dead-letters"
  }

  enum Request {
    case help
    case version
    case run(Options)
  }

  var command: Command
  var once = false
  var untilStored = false
  var resend = false
  var fromBeginning = false
  var count: Int?
  var untilIdle: Duration?
  var input: String?
  var output: String?
  /// Whether the demo has a page, and stays open with it.
  var page = false
  var csv: String?
  /// The number of images that `audit` reads.
  var sample: Int?
  var replay = false
  var all = false
  var ready = false
  /// The image that `status` is to show.
  var name: String?
  var lookAtProducer = false
  var lookAtConsumer = false
  var outsideCanary = false
  var lookAtKafka = false
  var json = false

  /// - Throws: `UsageError`, which says what is wrong and what would be right.
  static func parse(_ arguments: [String]) throws(UsageError) -> Request {
    if arguments.contains("--help") || arguments.contains("-h") { return .help }
    if arguments.contains("--version") { return .version }
    guard let first = arguments.first else { throw UsageError("no command is given") }
    if first == "help" { return .help }
    guard let command = Command(rawValue: first) else { throw UsageError("there is no command \(first)") }
    var options = Options(command: command)
    var rest = arguments.dropFirst()
    while let argument = rest.popFirst() {
      var (name, inline) = (argument, String?.none)
      if let equals = argument.firstIndex(of: "="), argument.hasPrefix("--") {
        name = String(argument[..<equals])
        inline = String(argument[argument.index(after: equals)...])
      }
      func value() throws(UsageError) -> String {
        guard let value = inline ?? rest.popFirst(), !value.isEmpty else { throw UsageError("\(name) needs a value") }
        inline = nil
        return value
      }
      switch (command, name) {
      case (.producer, "--once"): options.once = true
      case (.producer, "--until-stored"): options.untilStored = true
      case (.producer, "--resend"), (.verify, "--resend"), (.receipts, "--resend"): options.resend = true
      case (.consumer, "--count"), (.messages, "--count"): options.count = try number(name, value(), unit: 1)
      case (.consumer, "--from-beginning"): options.fromBeginning = true
      case (.consumer, "--until-idle"): options.untilIdle = .milliseconds(try number(name, value(), unit: 1_000))
      case (.health, "--ready"): options.ready = true
      case (.demo, "--input"), (.verify, "--input"), (.audit, "--input"): options.input = try value()
      case (.demo, "--output"), (.verify, "--output"), (.repair, "--output"), (.audit, "--output"),
        (.page, "--output"):
        options.output = try value()
      case (.demo, "--page"): options.page = true
      case (.verify, "--csv"), (.repair, "--csv"), (.audit, "--csv"): options.csv = try value()
      case (.audit, "--sample"): options.sample = try number(name, value(), unit: 1)
      case (.doctor, "--producer"): options.lookAtProducer = true
      case (.doctor, "--consumer"): options.lookAtConsumer = true
      case (.doctor, "--kafka"): options.lookAtKafka = true
      case (.doctor, "--outside-canary"): options.outsideCanary = true
      case (.verify, "--json"), (.repair, "--json"), (.messages, "--json"), (.deadLetters, "--json"),
        (.doctor, "--json"), (.status, "--json"), (.audit, "--json"):
        options.json = true
      case (.status, _) where !name.hasPrefix("-") && options.name == nil: options.name = argument
      case (.deadLetters, "--replay"): options.replay = true
      case (.deadLetters, "--all"): options.all = true
      default: throw UsageError("\(command.rawValue) has no option \(name)")
      }
      if inline != nil { throw UsageError("\(name) takes no value") }
    }
    if options.untilStored, !options.once { throw UsageError("--until-stored needs --once") }
    if command == .receipts, !options.resend { throw UsageError("receipts needs --resend") }
    return .run(options)
  }

  private static func number(_ name: String, _ text: String, unit: Int) throws(UsageError) -> Int {
    guard let number = Double(text), number >= 0, number < 1e9, unit > 1 || number == number.rounded() else {
      throw UsageError("\(name) \(text): use a number of 0 or more")
    }
    return Int(number * Double(unit))
  }
}

struct UsageError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
