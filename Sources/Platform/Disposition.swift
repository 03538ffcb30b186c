/// Whether an error will pass. Each error type answers once; the code that catches an error decides by the answer.
package enum Disposition: Sendable {
  /// It passes by itself: the same call is worth another try, unchanged.
  case transient
  /// It lasts until a person changes something: a right, a setting, a topic, a clock. The same call then succeeds.
  case needsPerson
  /// The input is at fault: this message, file, name or statement. Others are accepted.
  case badInput
  /// No later call succeeds: the client has ended, or its database is not usable.
  case final

  /// The same call may succeed later: the cause is the host or the cluster, and not the input.
  package var mayPass: Bool { self == .transient || self == .needsPerson }

  /// The answer of the error's type; nil if it gives none.
  package init?(of error: any Error) {
    guard let error = error as? any ClassifiedError else { return nil }
    self = error.disposition
  }
}

/// An error whose type knows whether it will pass.
package protocol ClassifiedError: Error {
  var disposition: Disposition { get }
}
