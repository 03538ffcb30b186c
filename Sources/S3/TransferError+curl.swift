internal import CCurl

extension TransferError {
  /// - Parameter detail: what curl wrote about this transfer; empty if nothing.
  init(_ code: CURLcode, detail: String) {
    let text = detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail
    self.init(name: Self.names[code.rawValue] ?? "CURL_\(code.rawValue)", description: text, kind: Self.kind(code))
  }

  static let closed = TransferError(name: "CLOSED", description: "the client was closed", kind: .transient)

  static let truncated = TransferError(
    name: "TRUNCATED_ANSWER", description: "the connection ended within the headers of the answer", kind: .transient)

  static let tooLarge = TransferError(
    name: "ANSWER_TOO_LARGE", description: "the answer has more than \(TransferAnswer.mostBytes >> 20) MB",
    kind: .needsPerson)

  private static func kind(_ code: CURLcode) -> Kind {
    switch code {
    case CURLE_WRITE_ERROR: .ended
    case CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE,
      CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR, CURLE_READ_ERROR:
      .needsPerson
    default: .transient
    }
  }

  /// Those that people meet. curl itself has no function for the names.
  private static let names: [UInt32: String] = [
    CURLE_UNSUPPORTED_PROTOCOL.rawValue: "UNSUPPORTED_PROTOCOL", CURLE_URL_MALFORMAT.rawValue: "URL_MALFORMAT",
    CURLE_COULDNT_RESOLVE_HOST.rawValue: "COULDNT_RESOLVE_HOST", CURLE_COULDNT_CONNECT.rawValue: "COULDNT_CONNECT",
    CURLE_PARTIAL_FILE.rawValue: "PARTIAL_FILE", CURLE_WRITE_ERROR.rawValue: "WRITE_ERROR",
    CURLE_READ_ERROR.rawValue: "READ_ERROR", CURLE_OPERATION_TIMEDOUT.rawValue: stalled,
    CURLE_SSL_CONNECT_ERROR.rawValue: "SSL_CONNECT_ERROR", CURLE_GOT_NOTHING.rawValue: "GOT_NOTHING",
    CURLE_SEND_ERROR.rawValue: "SEND_ERROR", CURLE_RECV_ERROR.rawValue: "RECV_ERROR",
    CURLE_PEER_FAILED_VERIFICATION.rawValue: "PEER_FAILED_VERIFICATION",
    CURLE_SSL_CACERT_BADFILE.rawValue: "SSL_CACERT_BADFILE", CURLE_WEIRD_SERVER_REPLY.rawValue: "WEIRD_SERVER_REPLY",
  ]
}
