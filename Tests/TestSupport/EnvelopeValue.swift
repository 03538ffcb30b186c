import Testing
import Wire

/// The value of a message with this image, as the writer makes it.
package func envelope(_ name: String, _ content: [UInt8]) -> [UInt8] {
  let envelope = Envelope(name: name)
  var value = [UInt8](repeating: 0xAA, count: envelope.size(carrying: content.count) + 4)
  value.withUnsafeMutableBytes { target in content.withUnsafeBytes { envelope.write($0, to: target.baseAddress!) } }
  #expect(value.suffix(4) == [0xAA, 0xAA, 0xAA, 0xAA], "written behind the size that was said")
  return value.dropLast(4)
}

package func envelopeText(_ name: String, _ content: String = "") -> String {
  String(decoding: envelope(name, Array(content.utf8)), as: UTF8.self)
}
