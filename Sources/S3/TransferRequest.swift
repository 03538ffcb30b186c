package import Platform

/// An HTTP request as it is sent.
package struct TransferRequest: Sendable {
  package var method: String
  package var url: String
  /// Names and values, without `Content-Length`.
  package var headers: [(name: String, value: String)]
  package var body: TransferBody
  /// Receives the body of an answer with a status of 200 to 299, piece by piece, on the thread of the transfers. Returns
  /// false to end the transfer. nil: the body becomes part of the answer.
  package var sink: (@Sendable (UnsafeRawBufferPointer) -> Bool)?
  /// The time for the whole transfer; nil: it may take any time, as long as bytes arrive or leave.
  package var limit: Duration?

  package init(
    _ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: TransferBody = .none,
    limit: Duration? = nil
  ) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
    self.limit = limit
  }
}

package enum TransferBody: Sendable {
  case none
  case bytes([UInt8])
  /// A range of a file's bytes, as they are when they are sent.
  case file(File, Range<Int>)

  package var count: Int {
    switch self {
    case .none: 0
    case .bytes(let bytes): bytes.count
    case .file(_, let range): range.count
    }
  }

  /// The bytes that the connection holds of it: many small bodies are sent at the same time, and few large files. The
  /// limits are curl's own.
  var bufferSize: Int {
    switch self {
    case .none, .bytes: max(16 << 10, min(count, 64 << 10))
    case .file: max(16 << 10, min(count, 256 << 10))
    }
  }
}

/// The answer to a request, whatever its status.
package struct TransferAnswer: Sendable {
  package var status = 0
  /// By names in lower case.
  package var headers: [String: String] = [:]
  /// At most `TransferAnswer.mostBytes`; empty if the request has a sink and succeeded.
  package var body: [UInt8] = []

  /// More than the rows of the largest batch have.
  static let mostBytes = 128 << 20

  package init() {}
}

/// A request that got no answer.
package struct TransferError: Error, Sendable {
  /// curl's name of the error: `COULDNT_CONNECT`.
  package let name: String
  package let description: String
  package let kind: Kind

  /// The name of an error after no byte has moved for long.
  static let stalled = "OPERATION_TIMEDOUT"

  package enum Kind: Sendable {
    /// The network or the server: another attempt may succeed.
    case transient
    /// A certificate, an address or a setting: a person must change something.
    case needsPerson
    /// The receiver of the bytes ended the transfer.
    case ended
  }
}
