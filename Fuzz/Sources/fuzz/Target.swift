import Glibc

/// What is fuzzed, by name: each takes any bytes, and traps where a property does not hold.
enum Target {
  static let variable = "FUZZ_TARGET"

  static let all: [String: @Sendable (UnsafeRawBufferPointer) -> Void] = [
    "base64": fuzzBase64, "csv": fuzzCSV, "envelope": fuzzEnvelope, "headers": fuzzHeaders, "name": fuzzName,
    "probe": fuzzProbe,
  ]

  fileprivate static let chosen = all[String(cString: getenv(variable))]!
}

/// What libFuzzer calls with each input, under the name that its own main, which is linked but not run, wants to find.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  Target.chosen(UnsafeRawBufferPointer(start: bytes, count: count))
  return 0
}

/// Ends the run with the input kept, where a property does not hold.
func require(_ condition: Bool, _ property: @autoclosure () -> String) {
  if !condition { fatalError("property violated: \(property())") }
}

/// A copy with nothing behind it, so that AddressSanitizer sees a byte too many.
func withExact<T>(_ bytes: some Collection<UInt8>, _ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T {
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
  defer { copy.deallocate() }
  copy.copyBytes(from: bytes)
  return try body(UnsafeRawBufferPointer(copy))
}
