import Wire

/// A name is accepted exactly if it stays within the output folder and fits into a file system. It is judged by its
/// bytes, as the kernel sees it.
func fuzzName(_ bytes: UnsafeRawBufferPointer) {
  // Bytes that are not UTF-8 never become a name: the envelope's reader refuses them.
  let text = String(decoding: bytes, as: UTF8.self)
  let components = Array(text.utf8).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
  let isUsable =
    text.utf8.count <= 3_072 && !text.utf8.contains(0)
    && components.allSatisfy {
      !$0.isEmpty && $0 != Array(".".utf8)[...] && $0 != Array("..".utf8)[...] && $0.count <= 255
    }
    && components[0] != Array(".image-pipeline".utf8)[...]
  guard let name = try? ImageName(text) else { return require(!isUsable, "refused: \(Array(text.utf8))") }
  require(isUsable, "taken: \(Array(text.utf8))")
  require(Array(name.value.utf8) == Array(text.utf8), "the name stays as it is")
  require(
    (name.folders + [name.leaf]).map { Array($0.utf8) } == components.map { Array($0) }, "its components are the name's"
  )
}
