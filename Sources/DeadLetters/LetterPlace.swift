/// Where a dead letter is.
package enum LetterPlace: Hashable, Sendable {
  /// A file of the output's folder of dead letters.
  case disk(name: String)
  /// A message of the topic of dead letters.
  case topic(partition: Int32, offset: Int64)
}
