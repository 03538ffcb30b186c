/// Threads of an HTTP server for some of its requests. Requests that take long do not delay the others, and are answered in
/// the order in which they arrive.
package struct HTTPLane: Sendable {
  let workers: Int
  let accepts: @Sendable (HTTPRequest) -> Bool

  /// - Parameters:
  ///   - workers: the number of threads, and so of such requests that are answered at the same time.
  ///   - accepts: which requests these are. It must be quick.
  package init(workers: Int, accepts: @escaping @Sendable (HTTPRequest) -> Bool) {
    self.workers = workers
    self.accepts = accepts
  }
}
