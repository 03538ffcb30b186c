internal import CCurl
import Platform

/// One request on its way: curl's handle, the bytes that are sent, and the answer as far as it has arrived. Used by the
/// thread of the transfers alone once it was started.
final class Transfer: @unchecked Sendable {
  let request: TransferRequest
  let completion: @Sendable (Result<TransferAnswer, TransferError>) -> Void
  private(set) var answer = TransferAnswer()
  private var hasAllHeaders = false
  private var isTooLarge = false
  private var sent = 0
  /// curl's own copy of the list is this one, so it must live as long as the transfer.
  private var headers: UnsafeMutablePointer<curl_slist>?
  private let detail = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

  init(
    _ request: TransferRequest, completion: @escaping @Sendable (Result<TransferAnswer, TransferError>) -> Void
  ) {
    self.request = request
    self.completion = completion
    detail.initialize(to: 0)
  }

  deinit {
    curl_slist_free_all(headers)
    detail.deallocate()
  }

  /// How long a connection may take, and how long a transfer may move no byte.
  private static let connectMilliseconds = 10_000
  private static let stallSeconds = 30

  /// Sets the handle's options for this request.
  func configure(_ handle: UnsafeMutableRawPointer, certificates: String?) {
    let owner = Unmanaged.passUnretained(self).toOpaque()
    curl_set_text(handle, CURLOPT_URL, request.url)
    // Keys are sent as they are, "a/./b" too.
    curl_set_number(handle, CURLOPT_PATH_AS_IS, 1)
    curl_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https")
    curl_set_number(handle, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
    curl_set_number(handle, CURLOPT_NOSIGNAL, 1)
    curl_set_number(handle, CURLOPT_CONNECTTIMEOUT_MS, Self.connectMilliseconds)
    curl_set_number(handle, CURLOPT_LOW_SPEED_LIMIT, 1)
    curl_set_number(handle, CURLOPT_LOW_SPEED_TIME, Self.stallSeconds)
    curl_set_number(handle, CURLOPT_TCP_KEEPALIVE, 1)
    curl_set_number(handle, CURLOPT_TCP_NODELAY, 1)
    if let limit = request.limit { curl_set_number(handle, CURLOPT_TIMEOUT_MS, limit.inMilliseconds) }
    if let certificates { curl_set_text(handle, CURLOPT_CAINFO, certificates) }
    curl_set_pointer(handle, CURLOPT_ERRORBUFFER, detail)
    curl_set_pointer(handle, CURLOPT_PRIVATE, owner)
    curl_set_pointer(handle, CURLOPT_HEADERDATA, owner)
    curl_set_function(handle, CURLOPT_HEADERFUNCTION) { bytes, size, count, owner in
      Transfer.of(owner).receiveHeader(UnsafeRawBufferPointer(start: bytes, count: size * count))
      return size * count
    }
    curl_set_pointer(handle, CURLOPT_WRITEDATA, owner)
    curl_set_function(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, owner in
      Transfer.of(owner).receive(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
    }
    configureMethod(handle, owner)
    configureHeaders(handle)
  }

  private func configureMethod(_ handle: UnsafeMutableRawPointer, _ owner: UnsafeMutableRawPointer) {
    switch (request.method, request.body) {
    case ("GET", _): curl_set_number(handle, CURLOPT_HTTPGET, 1)
    case ("HEAD", _): curl_set_number(handle, CURLOPT_NOBODY, 1)
    case (let method, .none):
      // A PUT or POST without a body says so; some servers wait for one otherwise.
      if method != "DELETE" {
        curl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, 0)
        curl_set_text(handle, CURLOPT_COPYPOSTFIELDS, "")
      }
      curl_set_text(handle, CURLOPT_CUSTOMREQUEST, method)
    case (let method, _):
      curl_set_number(handle, CURLOPT_UPLOAD, 1)
      curl_set_text(handle, CURLOPT_CUSTOMREQUEST, method)
      curl_set_offset(handle, CURLOPT_INFILESIZE_LARGE, request.body.count)
      curl_set_number(handle, CURLOPT_UPLOAD_BUFFERSIZE, request.body.bufferSize)
      curl_set_pointer(handle, CURLOPT_READDATA, owner)
      curl_set_function(handle, CURLOPT_READFUNCTION) { bytes, size, count, owner in
        Transfer.of(owner).send(UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
      }
      // A kept connection may turn out to be closed after some bytes were sent: they are sent again.
      curl_set_pointer(handle, CURLOPT_SEEKDATA, owner)
      curl_set_rewind(handle) { owner, offset, origin in
        guard origin == SEEK_SET else { return CURL_SEEKFUNC_CANTSEEK }
        Transfer.of(owner).sent = Int(offset)
        return CURL_SEEKFUNC_OK
      }
    }
  }

  private func configureHeaders(_ handle: UnsafeMutableRawPointer) {
    // curl would ask before it sends a large body, and wait a second for a server that does not answer.
    var list = curl_slist_append(nil, "Expect:")
    if !request.headers.contains(where: { $0.name == "Content-Type" }) {
      list = curl_slist_append(list, "Content-Type:")
    }
    for (name, value) in request.headers {
      list = curl_slist_append(list, value.isEmpty ? name + ";" : name + ": " + value)
    }
    headers = list
    curl_set_pointer(handle, CURLOPT_HTTPHEADER, list)
  }

  private static func of(_ owner: UnsafeMutableRawPointer?) -> Transfer {
    Unmanaged<Transfer>.fromOpaque(owner!).takeUnretainedValue()
  }

  static func of(handle: UnsafeMutableRawPointer) -> Transfer {
    var owner: UnsafeMutableRawPointer?
    curl_get_pointer(handle, CURLINFO_PRIVATE, &owner)
    return of(owner)
  }

  // MARK: Bytes

  private func send(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(buffer.count, request.body.count - sent)
    guard count > 0 else { return 0 }
    switch request.body {
    case .none: return 0
    case .bytes(let bytes): bytes[sent..<sent + count].withUnsafeBytes { buffer.copyMemory(from: $0) }
    case .file(let file, let range):
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
      guard let read = try? file.read(into: part, at: range.lowerBound + sent), read > 0 else {
        return Int(CURL_READFUNC_ABORT)
      }
      sent += read
      return read
    }
    sent += count
    return count
  }

  private func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
    if let sink = request.sink, (200..<300).contains(answer.status) { return sink(bytes) }
    guard answer.body.count + bytes.count <= TransferAnswer.mostBytes else {
      isTooLarge = true
      return false
    }
    answer.body += bytes
    return true
  }

  private func receiveHeader(_ bytes: UnsafeRawBufferPointer) {
    let line = String(decoding: bytes, as: UTF8.self)
    if line.utf8.starts(with: "HTTP/".utf8) {
      // Those of an earlier answer, "100 Continue" for example, do not count.
      (answer, hasAllHeaders) = (TransferAnswer(), false)
      answer.status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
      return
    }
    if bytes.allSatisfy({ $0 == 0x0D || $0 == 0x0A }) { hasAllHeaders = true }
    guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) else { return }
    let name = line[..<colon].lowercased()
    answer.headers[name] = String(line[line.utf8.index(after: colon)...].trimmingSpace)
  }

  // MARK: End

  func finish(_ code: CURLcode) {
    if code == CURLE_OK {
      // curl takes headers that end in the middle for all of them.
      completion(hasAllHeaders ? .success(answer) : .failure(.truncated))
    } else if isTooLarge {
      completion(.failure(.tooLarge))
    } else {
      completion(.failure(TransferError(code, detail: String(cString: detail))))
    }
  }

  func cancel() { completion(.failure(.closed)) }
}

extension Substring {
  /// Without the spaces, tabs and line ends around it.
  fileprivate var trimmingSpace: Substring {
    let isSpace = { (character: Character) in character.isWhitespace }
    var text = self.drop(while: isSpace)
    while let last = text.last, isSpace(last) { text.removeLast() }
    return text
  }
}
