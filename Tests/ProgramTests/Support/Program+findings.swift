import Glibc
import Testing

@testable import Platform

/// Output and exits that fail a test, whatever it expects.
extension Program {
  /// A sanitizer's report, or Swift's fatal error, which follows a line number; librdkafka has fatal errors of its own.
  /// The exit code is not enough: a process killed after a report has the code of the kill.
  static let findings =
    ["ThreadSanitizer:", "AddressSanitizer:", "LeakSanitizer:", "runtime error:"]
    + (0...9).map { "\($0): Fatal error:" }
  /// Signals that mean a crash.
  private static let crashes = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV]

  /// Called once after the end. Fails the test if there is a finding.
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
    // From the beginning of its line, with enough of the rest to locate it.
    let start = bytes[..<place].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    Issue.record("it said:\n\(String(decoding: bytes[start..<min(count, start + 4_000)], as: UTF8.self))")
  }
}

/// glibc's memmem, which its Swift module lacks.
@_silgen_name("memmem")
private func find(
  _ text: UnsafeRawPointer, _ length: Int, _ part: UnsafeRawPointer, _ partLength: Int
) -> UnsafeRawPointer?
