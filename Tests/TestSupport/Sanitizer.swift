import Glibc

/// What `make test-sanitize` tells about the build: programs are several times slower and larger than users have them.
package enum Sanitizer {
  package static let isOn = getenv("TEST_SANITIZER") != nil
  /// The factor by which waits are longer.
  package static let slowness = isOn ? 5 : 1
  /// The environment variables that sanitizers read, for the programs that tests start.
  package static let variables = ["LD_PRELOAD", "TSAN_OPTIONS", "ASAN_OPTIONS", "LSAN_OPTIONS"]
}
