internal import CCurl
import Platform
import Synchronization

/// Makes HTTP requests, hundreds at the same time, on one thread and over kept connections. It follows no
/// redirects.
package final class Transfers: Sendable {
  private struct Queue {
    var new: [Transfer] = []
    var delayed: [(due: MonotonicClock.Instant, transfer: Transfer)] = []
    var isClosed = false
  }

  private let queue = Mutex(Queue())
  private let multi: Multi
  private let certificates: String?
  private let connections: Int
  private let thread = Mutex<BackgroundThread?>(nil)

  /// curl's handle, which may be woken from any thread.
  private final class Multi: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer = curl_multi_init()
    func wake() { curl_multi_wakeup(pointer) }
    deinit { curl_multi_cleanup(pointer) }
  }

  private static let isReady: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

  /// - Parameters:
  ///   - connections: the most connections at one time. Requests above them wait for one.
  ///   - certificates: a file of certificates to trust in place of the system's.
  package init(connections: Int, certificates: String? = nil) {
    precondition(Self.isReady, "curl cannot start: out of memory")
    self.connections = connections
    self.certificates = certificates
    multi = Multi()
    curl_multi_set_number(multi.pointer, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections)
    curl_multi_set_number(multi.pointer, CURLMOPT_MAXCONNECTS, connections)
    thread.withLock { $0 = BackgroundThread.start("s3") { [self] in run() } }
  }

  /// The version of the loaded libcurl.
  package static var libraryVersion: String {
    let text = String(cString: curl_version())
    return String(text.split(separator: " ").first ?? "").replacing("libcurl/", with: "")
  }

  /// - Parameter completion: called once, on the thread of the transfers, which it must not block.
  package func start(
    _ request: TransferRequest, after delay: Duration = .zero,
    completion: @escaping @Sendable (Result<TransferAnswer, TransferError>) -> Void
  ) {
    let transfer = Transfer(request, completion: completion)
    let isClosed = queue.withLock { queue in
      if queue.isClosed { return true }
      if delay > .zero {
        queue.delayed.append((MonotonicClock.now + delay, transfer))
      } else {
        queue.new.append(transfer)
      }
      return false
    }
    if isClosed { return transfer.cancel() }
    multi.wake()
  }

  /// Ends all requests, each with an error. Returns when none is under way.
  package func close() {
    queue.withLock { $0.isClosed = true }
    multi.wake()
    thread.withLock { $0 }?.join()
  }

  // MARK: The thread

  /// How long the thread sleeps if nothing happens.
  private static let longestSleep = Duration.seconds(5)

  private func run() {
    var running: [UnsafeMutableRawPointer: Transfer] = [:]
    var idle: [UnsafeMutableRawPointer] = []
    while true {
      let (new, sleep, isClosed) = take()
      if isClosed { break }
      for transfer in new {
        let handle = idle.popLast() ?? curl_easy_init()!
        transfer.configure(handle, certificates: certificates)
        running[handle] = transfer
        curl_multi_add_handle(multi.pointer, handle)
      }
      var count: CInt = 0
      curl_multi_perform(multi.pointer, &count)
      for (handle, code) in finished() {
        curl_multi_remove_handle(multi.pointer, handle)
        let transfer = running.removeValue(forKey: handle)!
        curl_easy_reset(handle)
        if idle.count < connections { idle.append(handle) } else { curl_easy_cleanup(handle) }
        transfer.finish(code)
      }
      // Completions may have started others.
      let milliseconds = queue.withLock { $0.new.isEmpty } ? sleep.inMilliseconds : 0
      curl_multi_poll(multi.pointer, nil, 0, CInt(clamping: milliseconds), nil)
    }
    for (handle, transfer) in running {
      curl_multi_remove_handle(multi.pointer, handle)
      curl_easy_cleanup(handle)
      transfer.cancel()
    }
    for handle in idle { curl_easy_cleanup(handle) }
  }

  /// Takes the transfers that are due.
  private func take() -> (new: [Transfer], sleep: Duration, isClosed: Bool) {
    let now = MonotonicClock.now
    let (new, sleep, isClosed) = queue.withLock { queue in
      var new = queue.new
      queue.new = []
      var sleep = Self.longestSleep
      if !queue.delayed.isEmpty {
        new += queue.delayed.filter { $0.due <= now || queue.isClosed }.map(\.transfer)
        queue.delayed.removeAll { $0.due <= now || queue.isClosed }
        if let first = queue.delayed.map(\.due).min() { sleep = min(sleep, first - now) }
      }
      return (new, sleep, queue.isClosed)
    }
    if isClosed { for transfer in new { transfer.cancel() } }
    return (new, sleep, isClosed)
  }

  private func finished() -> [(UnsafeMutableRawPointer, CURLcode)] {
    var all: [(UnsafeMutableRawPointer, CURLcode)] = []
    var left: CInt = 0
    while let message = curl_multi_info_read(multi.pointer, &left) {
      if message.pointee.msg == CURLMSG_DONE {
        all.append((message.pointee.easy_handle, curl_result(message)))
      }
    }
    return all
  }
}
