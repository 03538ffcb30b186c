import TestSupport
import Testing

@testable import Producer

@Suite struct CompressibilityTests {
  private func isWorthwhile(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { Compressibility.isWorthwhile($0) } }

  @Test("compressed data is not compressible") func compressedDataIsNot() {
    for seed in 0..<300 {
      var numbers = SeededNumbers(seed: UInt64(seed))
      let size = [2_048, 2_049, 10_000, 65_537, 720_000][seed % 5]
      #expect(!isWorthwhile(numbers.bytes(size)), "seed \(seed)")
    }
  }

  @Test(
    "photographs are not compressible",
    arguments: ["balloons.jpg", "landscape/dusk.jpg", "landscape/moonlit sea.png", "landscape/dunes.webp"])
  func photographsAreNot(sample: String) throws {
    let bytes = try ImageSamples.bytes(sample)
    #expect(!isWorthwhile(bytes), "of \(bytes.count) bytes")
  }

  @Test("repetitive data is compressible") func repetitionIs() throws {
    #expect(try isWorthwhile(ImageSamples.bytes("shapes/tiles.bmp")))
    #expect(isWorthwhile([UInt8](repeating: 0, count: 100_000)))
    // A gradient, a text, and pixels of 12 bits in two bytes each.
    #expect(isWorthwhile((0..<90_000).map { UInt8(truncatingIfNeeded: $0 / 352) }))
    #expect(isWorthwhile(Array(String(repeating: "a line of text, and another one\n", count: 400).utf8)))
    var numbers = SeededNumbers(seed: 1)
    #expect(
      isWorthwhile(
        (0..<50_000).map {
          $0 % 2 == 0 ? UInt8.random(in: 0...15, using: &numbers) : UInt8.random(in: 0...255, using: &numbers)
        }))
  }

  @Test("a small message is compressible because of its JSON") func smallMessageIs() {
    var numbers = SeededNumbers(seed: 2)
    for size in [0, 1, 127, 512, 2_047] { #expect(isWorthwhile(numbers.bytes(size))) }
  }
}
