import Glibc
import Platform
import Wire

/// Measures the work between an image's bytes and a message's value, each part in cache and on one thread: Base64 by
/// every path that this processor has, the envelope around it, and `memcpy` for comparison. Prints one line of JSON for
/// each. Rates are in GB (10^9 bytes) of the image per second.
///
///     bench-codecs BYTES [MILLISECONDS]      the size of the image, and how long each is measured
@main struct BenchCodecs {
  static func main() {
    let arguments = CommandLine.arguments.dropFirst().map { Int($0) ?? 0 }
    guard let size = arguments.first, size > 0 else {
      print("bench-codecs BYTES [MILLISECONDS]: the size of an image, and how long each codec is measured")
      exit(2)
    }
    let bench = BenchCodecs(size: size, milliseconds: arguments.count > 1 ? arguments[1] : 200)
    bench.run()
  }

  private let size: Int
  private let milliseconds: Int
  private let image: UnsafeMutableRawBufferPointer
  private let text: UnsafeMutableRawBufferPointer
  private let envelope = Envelope(name: "label/an image.jpg")

  private init(size: Int, milliseconds: Int) {
    self.size = size
    self.milliseconds = milliseconds
    image = .allocate(byteCount: size, alignment: 64)
    text = .allocate(byteCount: envelope.size(carrying: size), alignment: 64)
    var random = SystemRandomNumberGenerator()
    for index in 0..<size { image[index] = UInt8.random(in: 0...255, using: &random) }
  }

  private func run() {
    let bytes = UnsafeRawBufferPointer(image)
    let characters = UnsafeRawBufferPointer(rebasing: text[..<Base64.encodedCount(size)])
    measure("memcpy") { text.baseAddress!.copyMemory(from: bytes.baseAddress!, byteCount: size) }
    measure("encode", "Swift's SIMD types") { SIMDEncoder.encode(bytes, to: text.baseAddress!) }
    check(characters, "Swift's SIMD types")
    for path in Base64.Path.allCases where path.isAvailable {
      measure("encode", "\(path)") { Base64.encode(bytes, to: text.baseAddress!, by: path) }
      check(characters, "\(path)")
      measure("decode", "\(path)") {
        guard Base64.decode(characters, to: image.baseAddress!, by: path) == size else {
          fatalError("it is not decoded")
        }
      }
    }
    measure("write envelope") { envelope.write(bytes, to: text.baseAddress!) }
    let value = UnsafeRawBufferPointer(text)
    measure("read envelope") {
      guard let content = try? EnvelopeReader.read(value), content.base64.count == characters.count else {
        fatalError("it is not read")
      }
    }
    measure("read envelope and decode") {
      guard let content = try? EnvelopeReader.read(value),
        Base64.decode(content.base64, to: image.baseAddress!) == size
      else { fatalError("it is not read") }
    }
  }

  /// Checks that the encoded characters are the same as those of the portable path.
  private func check(_ characters: UnsafeRawBufferPointer, _ path: String) {
    let expected = UnsafeMutableRawBufferPointer.allocate(byteCount: characters.count, alignment: 64)
    defer { expected.deallocate() }
    Base64.encode(UnsafeRawBufferPointer(image), to: expected.baseAddress!, by: .portable)
    guard memcmp(expected.baseAddress!, characters.baseAddress!, characters.count) == 0 else {
      fatalError("\(path) encodes otherwise than the portable path")
    }
  }

  private func measure(_ what: String, _ path: String = "", _ body: () -> Void) {
    for _ in 0..<3 { body() }
    var (count, step) = (0, 1)
    let begun = ContinuousClock.now
    var elapsed = Duration.zero
    // The clock is read rarely, because that costs as much as encoding a small image.
    while elapsed < .milliseconds(milliseconds) {
      for _ in 0..<step { body() }
      count += step
      step = min(step * 2, 64)
      elapsed = .now - begun
    }
    let rate = Double(size) * Double(count) / (elapsed / .nanoseconds(1))
    print(#"{"what": "\#(what)", "path": "\#(path)", "bytes": \#(size), "gb_per_s": \#(rate)}"#)
  }
}
