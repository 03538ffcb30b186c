import Platform

/// A client of one bucket. It signs requests, and repeats those that may succeed at another attempt.
package final class S3Client: S3Requests {
  package let bucket: String
  private let settings: S3Settings
  private let transfers: Transfers
  private let credentials: RenewedCredentials
  private let signer: RequestSigner

  package init(_ settings: S3Settings) {
    self.settings = settings
    bucket = settings.bucket
    transfers = Transfers(connections: settings.connections, certificates: settings.certificates)
    credentials = RenewedCredentials(settings.identity, transfers)
    signer = RequestSigner(region: settings.region)
  }

  deinit { transfers.close() }

  package func close() { transfers.close() }

  package func send(_ request: S3Request, completion: @escaping @Sendable (Result<S3Response, S3Error>) -> Void) {
    attempt(Attempt(request: request, completion: completion), after: .zero)
  }

  /// A request with the attempts that were made so far.
  private struct Attempt: Sendable {
    let request: S3Request
    let completion: @Sendable (Result<S3Response, S3Error>) -> Void
    var number = 1
    /// Whether an attempt got no answer, so that the store may have carried it out.
    var isUnanswered = false
    var hasRenewed = false
  }

  private func attempt(_ attempt: Attempt, after delay: Duration) {
    // Signed when it is sent: a signature is valid for minutes only.
    credentials.get { [self] result in
      switch result {
      case .failure(let error): ended(attempt, S3Error(error, describe(attempt.request)))
      case .success(let found):
        let request = signed(attempt.request, by: found)
        transfers.start(request, after: delay) { [self] in answered(attempt, $0, found) }
      }
    }
  }

  private func answered(
    _ attempt: Attempt, _ result: Result<TransferAnswer, TransferError>, _ used: S3Credentials
  ) {
    var attempt = attempt
    let what = describe(attempt.request)
    switch result {
    case .failure(let error):
      if error.name != "COULDNT_CONNECT" { attempt.isUnanswered = true }
      ended(attempt, S3Error(error, what))
    case .success(let answer):
      let error = S3Error(answer, what, bucket: bucket)
      let isAccepted =
        (200..<300).contains(answer.status)
        || attempt.request.accepted.contains(answer.status) && error.name != "NoSuchBucket"
      if isAccepted {
        return attempt.completion(
          .success(
            S3Response(
              status: answer.status, headers: answer.headers, body: answer.body, isRepeated: attempt.isUnanswered)))
      }
      if answer.status >= 500 { attempt.isUnanswered = true }
      // Answers to HEAD have no code.
      let isRefused = answer.body.isEmpty && [400, 401, 403].contains(answer.status)
      if credentials.mayChange, error.isExpiry || isRefused, !attempt.hasRenewed {
        attempt.hasRenewed = true
        credentials.forget(used)
        return self.attempt(attempt, after: .zero)
      }
      ended(attempt, error)
    }
  }

  private func ended(_ attempt: Attempt, _ error: S3Error) {
    // After a long wait the caller decides what to do next.
    guard error.disposition == .transient, attempt.number < settings.attempts, attempt.request.sink == nil,
      error.name != TransferError.stalled
    else {
      return attempt.completion(.failure(error))
    }
    var next = attempt
    next.number += 1
    // At random, so that requests that were refused together do not come back together.
    let longest = min(settings.firstDelay * (1 << (attempt.number - 1)), settings.longestDelay)
    self.attempt(next, after: longest * Double.random(in: 0.5...1))
  }

  private func describe(_ request: S3Request) -> String {
    "\(request.method) s3://\(bucket)" + (request.key.map { "/" + $0 } ?? "")
  }

  private func signed(_ request: S3Request, by credentials: S3Credentials) -> TransferRequest {
    let (host, path) = settings.endpoint.location(bucket, request.key, settings.addressing)
    let query = URLEncoding.query(request.query)
    let headers = signer.sign(
      request.method, host: host, path: path, query: query, headers: request.headers,
      payload: (request.digest ?? request.body.digest).hex, by: credentials, at: WallClock.milliseconds)
    let url = "\(settings.endpoint.scheme)://\(host)\(path)" + (query.isEmpty ? "" : "?" + query)
    var transfer = TransferRequest(request.method, url, headers: headers, body: request.body)
    transfer.sink = request.sink
    return transfer
  }
}

extension TransferBody {
  fileprivate var digest: Digest {
    switch self {
    case .none: SHA256.hash(UnsafeRawBufferPointer(start: nil, count: 0))
    case .bytes(let bytes): bytes.withUnsafeBytes { SHA256.hash($0) }
    // The sender of a file knows its hash. Reading the file here would block the thread of the transfers.
    case .file: preconditionFailure("a request with a file needs its hash")
    }
  }
}
