import Kafka

/// Values of librdkafka's properties as people write them: `TRUE`, `sasl_ssl`, `1_000`, `5s`.
enum KafkaValue {
  enum Reading: Equatable {
    /// The value to give to librdkafka.
    case value(String)
    /// The property stays unset.
    case nothing
    /// The value cannot be what the user meant; with the fix.
    case wrong(String)
  }

  private static let yes: Set<String> = ["true", "yes", "on", "1"]
  private static let no: Set<String> = ["false", "no", "off", "0", "none"]

  static func read(_ property: String, _ value: String) -> Reading {
    switch property {
    case "debug":
      // librdkafka accepts a list of contexts. In other programs of the Kafka world, `debug` is a switch.
      let lower = value.lowercased()
      if yes.contains(lower) { return .value("all") }
      return no.contains(lower) ? .nothing : .value(ServerList.joined(lower) ?? "")
    case "bootstrap.servers", "metadata.broker.list":
      return ServerList.joined(value).map { .value($0) } ?? .wrong("name a broker, as in broker:9092")
    case "sasl.mechanism", "sasl.mechanisms":
      return .value(value.uppercased())
    default:
      return spelled(property, value).map { number(property, $0) } ?? .value(value)
    }
  }

  /// The spelling of a value that librdkafka accepts; nil if it accepts none.
  private static func spelled(_ property: String, _ value: String) -> String? {
    let lower = value.lowercased()
    var spellings = [value, lower, value.uppercased()]
    if yes.contains(lower) { spellings.append("true") }
    if no.contains(lower) { spellings.append("false") }
    return spellings.first { KafkaSettings.check(property, $0) == .known }
  }

  /// Corrects a number that librdkafka would misread. librdkafka reads the leading digits and ignores the rest: `5s`
  /// would be 5 ms, and `010` is 8.
  private static func number(_ property: String, _ value: String) -> Reading {
    var settings = KafkaSettings()
    settings.set(property, value)
    guard let effective = settings.effective(property), let understood = Int(effective), effective != value,
      Int(value) != understood || value.hasPrefix("0")
    else { return .value(value) }
    let unit = unit(of: property)
    guard let number = NumberSetting.parse(value, unit) else { return .wrong("use a whole number\(unit.examples)") }
    return .value(String(number))
  }

  private static func unit(of property: String) -> NumberSetting.Unit {
    if property.hasSuffix(".ms") { return .milliseconds }
    return property.hasSuffix(".bytes") || property == "batch.size" ? .bytes : .none
  }
}
