import TestSupport
import Testing

@testable import DeadLetters

@Suite struct IdentitySetTests {
  @Test("each identity is new once") func identitiesAreNewOnce() {
    var numbers = SeededNumbers(seed: 9)
    var (set, reference) = (IdentitySet(), Set<UInt128>())
    // Many in one shard, and many repeated.
    let some = (0..<3_000).map { number in
      number.isMultiple(of: 3)
        ? UInt128.random(in: 0 ... .max, using: &numbers) : UInt128.random(in: 0...2_000, using: &numbers)
    }
    for identity in some + [0, .max, 1, .max, 0] {
      #expect(set.insert(identity) == reference.insert(identity).inserted)
    }
  }
}
