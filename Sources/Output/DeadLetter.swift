package import Messaging

/// A message that cannot be stored, unchanged, with the reason.
package struct DeadLetter {
  package let message: any Message
  package let reason: BadMessage
}

/// Keeps dead letters: in Kafka, or on disk.
package protocol DeadLetterSink: AnyObject {
  /// Returns when every dead letter is safe. Each is kept at least once.
  /// - Returns: false if `whileWaiting` returned false; some of the dead letters may be safe all the same.
  /// - Throws: if they cannot be stored anywhere at the moment.
  func deliver(_ letters: [DeadLetter]) throws -> Bool
  /// To be called when the catalog has recorded what happened to the messages of the delivered dead letters.
  func settled()
  /// Called periodically during a wait for a broker or for a lock. Returns false to give up.
  var whileWaiting: () -> Bool { get set }
  /// Closes the sink. Nothing more will be delivered.
  func close()
}
