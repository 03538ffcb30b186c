import Glibc

/// What `make test-sanitize` says of the build: the program is several times slower, and larger, than users have it.
enum Sanitizer {
  static let isOn = getenv("TEST_SANITIZER") != nil
  /// How much longer a wait may take.
  static let slowness: Int64 = isOn ? 5 : 1
  /// What the sanitizers in the tests' programs are told, too.
  static let variables = ["LD_PRELOAD", "TSAN_OPTIONS", "ASAN_OPTIONS", "LSAN_OPTIONS"]
}
