import CCurl

/// The times of HTTP headers: `Sun, 06 Nov 1994 08:49:37 GMT`.
enum HTTPDate {
  /// - Returns: ms since 1970; nil if the text is no time.
  static func milliseconds(_ text: String) -> Int64? {
    let seconds = curl_getdate(text, nil)
    return seconds < 0 ? nil : Int64(seconds) * 1_000
  }
}
