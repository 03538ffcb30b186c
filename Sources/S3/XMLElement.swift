internal import CExpat

/// An element of an XML text, without its attributes. Namespaces are ignored.
package final class XMLElement {
  package let name: String
  package fileprivate(set) var children: [XMLElement] = []
  /// The text directly within it.
  package fileprivate(set) var text = ""

  fileprivate init(name: String) { self.name = name }

  /// The first element that is found by following the names.
  package subscript(_ path: String...) -> XMLElement? {
    var element = self
    for name in path {
      guard let child = element.children.first(where: { $0.name == name }) else { return nil }
      element = child
    }
    return element
  }

  package func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }

  /// - Returns: the outermost element; nil if the text is not XML.
  package static func parse(_ bytes: [UInt8]) -> XMLElement? {
    let builder = XMLBuilder()
    guard let parser = XML_ParserCreate(nil) else { fatalError("expat cannot start: out of memory") }
    defer { XML_ParserFree(parser) }
    XML_SetUserData(parser, Unmanaged.passUnretained(builder).toOpaque())
    XML_SetElementHandler(
      parser, { owner, name, _ in XMLBuilder.of(owner).begin(String(cString: name!)) },
      { owner, _ in XMLBuilder.of(owner).end() })
    XML_SetCharacterDataHandler(parser) { owner, text, count in
      let bytes = UnsafeRawBufferPointer(start: text, count: Int(count))
      XMLBuilder.of(owner).add(String(decoding: bytes, as: UTF8.self))
    }
    let status = bytes.withUnsafeBytes { buffer in
      let text = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
      return withExtendedLifetime(builder) { XML_Parse(parser, text, CInt(clamping: buffer.count), 1) }
    }
    return status == XML_STATUS_OK ? builder.root : nil
  }
}

private final class XMLBuilder {
  private(set) var root: XMLElement?
  private var open: [XMLElement] = []

  static func of(_ owner: UnsafeMutableRawPointer?) -> XMLBuilder {
    Unmanaged<XMLBuilder>.fromOpaque(owner!).takeUnretainedValue()
  }

  func begin(_ name: String) {
    let element = XMLElement(name: String(name.split(separator: ":").last ?? ""))
    if let parent = open.last { parent.children.append(element) } else { root = element }
    open.append(element)
  }

  func add(_ text: String) { open.last?.text += text }

  func end() { open.removeLast() }
}
