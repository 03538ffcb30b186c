import Glibc

extension ChaosNumbers {
  /// A test's own, printed so that what fails once can be run again: `TEST_SEED=n`.
  static func printed(_ test: String = #function) -> ChaosNumbers {
    let seed = getenv("TEST_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: 1...999_999)
    print("TEST_SEED=\(seed) \(test)")
    return ChaosNumbers(seed: seed, test)
  }
}
