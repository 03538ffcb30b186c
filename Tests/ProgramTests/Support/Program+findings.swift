import Glibc
import Testing

@testable import Platform

/// What a program may never say, nor end with, whatever a test expects of it.
extension Program {
  /// A report of a sanitizer, or Swift's last word, which follows the number of a line: librdkafka has fatal errors of its
  /// own. The exit code alone would not do: who is killed after a report has that of the kill.
  static let findings =
    ["ThreadSanitizer:", "AddressSanitizer:", "LeakSanitizer:", "runtime error:"]
    + (0...9).map { "\($0): Fatal error:" }
  /// Signals that nobody sends it: it has crashed.
  private static let crashes = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV]

  /// To be called once, when it has ended: makes the test fail where there is anything of that.
  func recordFindings(of signal: Int32) {
    if Self.crashes.contains(signal) { Issue.record("it was ended by signal \(signal):\n\(output.suffix(4_000))") }
    guard let file = try? File.open(outputPath, .read), let size = try? file.status().size, size > 0 else { return }
    var bytes = [UInt8](repeating: 0, count: size)
    let count = (try? bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }) ?? 0
    let place = bytes.prefix(count).withUnsafeBytes { text in
      Self.findings.compactMap { finding in
        find(text.baseAddress!, text.count, finding, finding.utf8.count).map { text.baseAddress!.distance(to: $0) }
      }.min()
    }
    guard let place else { return }
    // Beginning with the line that it is in, and enough of what follows to know where it was.
    let start = bytes[..<place].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    Issue.record("it said:\n\(String(decoding: bytes[start..<min(count, start + 4_000)], as: UTF8.self))")
  }
}

/// glibc's own memmem, which its Swift module leaves out.
@_silgen_name("memmem")
private func find(
  _ text: UnsafeRawPointer, _ length: Int, _ part: UnsafeRawPointer, _ partLength: Int
) -> UnsafeRawPointer?
