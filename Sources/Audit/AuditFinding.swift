package import Output

/// Something that is not as it should be.
package struct AuditFinding: Equatable, Sendable {
  package enum Kind: Hashable, Sendable {
    case fault(Fault)
    case output(OutputAudit.Fault)
  }

  /// What the output's own audit does not find. The raw values are stable: programs read them.
  package enum Fault: String, CaseIterable, Sendable {
    // The input and the ledger.
    case notSent = "not_sent"
    case changedSinceSent = "changed_since_sent"
    case notInLedger = "not_in_ledger"
    // Sent images.
    case imageMissing = "image_missing"
    case imageReplaced = "image_replaced"
    case imageLost = "image_lost"
    case deadLetter = "dead_letter"
    // The topic.
    case messagesLost = "messages_lost"
    case positionMoved = "position_moved"
    // The sample.
    case sampleDiffers = "sample_differs"
  }

  package let kind: Kind
  /// The image's name, a file's path, or a partition.
  package let name: String
  package let text: String

  init(_ kind: Kind, _ name: String, _ text: String? = nil) {
    self.kind = kind
    self.name = name
    self.text = text ?? kind.meaning
  }

  init(_ fault: Fault, _ name: String, _ text: String? = nil) { self.init(.fault(fault), name, text) }
}

extension AuditFinding.Kind: CaseIterable {
  package static let allCases =
    AuditFinding.Fault.allCases.map { Self.fault($0) } + OutputAudit.Fault.allCases.map { Self.output($0) }

  /// For programs.
  package var key: String {
    switch self {
    case .fault(let fault): fault.rawValue
    case .output(let fault): fault.rawValue
    }
  }

  /// The column of the table that counts it; nil if it is about no image.
  var column: AuditTable.Column? {
    switch self {
    case .fault(let fault): fault.column
    case .output(let fault): fault.column
    }
  }

  package var meaning: String {
    switch self {
    case .fault(let fault): fault.meaning
    case .output(let fault): fault.meaning
    }
  }

  /// What to do about it.
  package var fix: String {
    switch self {
    case .fault(let fault): fault.fix
    case .output(let fault): fault.fix
    }
  }

  fileprivate static let resend = "send it again: image-pipeline verify --resend, on the machine that sent it"
}

extension AuditFinding.Fault {
  fileprivate var column: AuditTable.Column? {
    switch self {
    case .notSent, .changedSinceSent, .notInLedger, .positionMoved: nil
    case .imageMissing: .missing
    case .imageReplaced, .sampleDiffers: .altered
    case .imageLost, .messagesLost: .lost
    case .deadLetter: .deadLetters
    }
  }

  var meaning: String {
    switch self {
    case .notSent: "in the input, and not sent"
    case .changedSinceSent: "changed in the input since it was sent"
    case .notInLedger:
      "in the input and in the output, and the ledger does not have it: the producer will send it again"
    case .imageMissing: "sent, its message has been passed, and the output does not have it"
    case .imageReplaced: "the output has another image under this name"
    case .imageLost: "sent, and removed from the topic before it was stored"
    case .deadLetter: "a dead letter"
    case .messagesLost: "messages were removed from the topic before they were stored"
    case .positionMoved: "the stored position is not where the consumers left it"
    case .sampleDiffers: "its bytes are not those that were stored or sent"
    }
  }

  fileprivate var fix: String {
    switch self {
    case .notSent, .changedSinceSent: "start the producer, or look at its log for files that it refuses"
    case .notInLedger: "nothing: the producer sends it again, and it is not stored twice"
    case .imageMissing, .imageReplaced, .imageLost, .messagesLost, .sampleDiffers: AuditFinding.Kind.resend
    case .deadLetter: "image-pipeline dead-letters lists them, and --replay sends them back"
    case .positionMoved: "image-pipeline consumer --from-beginning reads the topic again"
    }
  }
}

extension OutputAudit.Fault {
  fileprivate var column: AuditTable.Column? {
    switch self {
    case .batchMissing: nil
    case .fileMissing, .entryMissing, .rowMissing: .missing
    case .fileAltered, .rowAltered: .altered
    case .fileUnknown, .rowDoubled, .rowUnknown: .extra
    }
  }

  fileprivate var meaning: String {
    switch self {
    case .fileMissing: "stored, and its file is gone"
    case .fileAltered: "its file is not as it was stored"
    case .fileUnknown: "no consumer stored this file"
    case .entryMissing: "it has a row, and the catalog does not have it"
    case .rowMissing: "its row is missing in the CSV file"
    case .rowDoubled: "its row is twice in the CSV file"
    case .rowAltered: "its row in the CSV file is not as it was written"
    case .rowUnknown: "no consumer wrote this row of the CSV file"
    case .batchMissing: "the log in the bucket lacks the rows of these offsets"
    }
  }

  fileprivate var fix: String {
    switch self {
    case .fileMissing, .fileAltered: AuditFinding.Kind.resend
    case .fileUnknown: "remove it from the output if it is not wanted. If a consumer was killed, start it first"
    case .entryMissing, .rowMissing, .rowDoubled, .rowAltered, .rowUnknown:
      "stop the consumers and run image-pipeline repair"
    case .batchMissing: "run image-pipeline repair: it restores the rows of the images that are there"
    }
  }
}
