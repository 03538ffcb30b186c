import Glibc

/// The fuzz targets, by name. Each accepts any bytes, and traps if a property does not hold.
enum Target {
  static let variable = "FUZZ_TARGET"

  static let all: [String: @Sendable (UnsafeRawBufferPointer) -> Void] = [
    "base64": fuzzBase64, "csv": fuzzCSV, "envelope": fuzzEnvelope, "headers": fuzzHeaders, "metrics": fuzzMetrics,
    "name": fuzzName,
    "probe": fuzzProbe, "request": fuzzRequest,
  ]

  fileprivate static let chosen = all[String(cString: getenv(variable))]!
}

/// The function that libFuzzer calls with each input. It has the name that libFuzzer's own main, which is linked but
/// not run, expects.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  Target.chosen(UnsafeRawBufferPointer(start: bytes, count: count))
  return 0
}

/// Ends the run if a property does not hold; libFuzzer keeps the input.
func require(_ condition: Bool, _ property: @autoclosure () -> String) {
  if !condition { fatalError("property violated: \(property())") }
}

/// Passes a copy with nothing after it, so that AddressSanitizer sees an access beyond the end.
func withExact<T>(_ bytes: some Collection<UInt8>, _ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T {
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
  defer { copy.deallocate() }
  copy.copyBytes(from: bytes)
  return try body(UnsafeRawBufferPointer(copy))
}
