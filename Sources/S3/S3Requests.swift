/// Sends requests to a bucket: the client, or a substitute in a test.
package protocol S3Requests: Sendable {
  /// The bucket's name.
  var bucket: String { get }
  /// - Parameter completion: called once, on a thread that it must not block.
  func send(_ request: S3Request, completion: @escaping @Sendable (Result<S3Response, S3Error>) -> Void)
  /// Ends all requests. Each gets an error.
  func close()
}

extension S3Requests {
  /// Sends a request and waits for its answer.
  package func perform(_ request: S3Request) throws(S3Error) -> S3Response {
    try perform([request])[0].get()
  }

  /// Sends requests at the same time, and waits for all answers.
  /// - Returns: the answers in the order of the requests.
  package func perform(_ requests: [S3Request]) -> [Result<S3Response, S3Error>] {
    try! perform(requests) {}
  }

  /// The same, for waits that may have to end.
  /// - Parameter whileWaiting: called several times a second; throws to give up.
  /// - Throws: what it throws. The requests go on.
  package func perform(
    _ requests: [S3Request], whileWaiting: () throws -> Void
  ) throws -> [Result<S3Response, S3Error>] {
    let answers = Answers(count: requests.count)
    for (index, request) in requests.enumerated() { send(request) { answers.set($0, at: index) } }
    while true {
      if let all = answers.wait(for: .milliseconds(200)) { return all }
      try whileWaiting()
    }
  }
}
