/// What to do about dead letters, by their kind. docs/dead-letters.md has the same table.
package enum LetterFix {
  /// - Parameter kind: as in `BadMessage`, and in receipts.
  /// - Returns: nil for an unknown kind.
  package static func fix(_ kind: String) -> String? { table[kind] }

  static let table = [
    "EnvelopeError": "Correct the message's sender: the message does not have the wire format.",
    "LengthMismatch": "Send the image again: image-pipeline verify --resend.",
    "DigestMismatch": "Send the image again: image-pipeline verify --resend.",
    "SegmentMismatch": "Correct the sender: two images claim to be the same segments.",
    "SegmentTimeout":
      "A producer that reads receipts sends the image again. Otherwise do that, or send it back once the missing segments are there.",
    "NameRefusal":
      "Rename the image and send it again. Or remove what is in its way in the output, and send the dead letter back.",
    "TooLarge": "Use a file system that allows files of that size for the output, and send the dead letter back.",
  ]
}
