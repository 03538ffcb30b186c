import Glibc
import Testing

@testable import Platform

extension Scratch {
  static let output = "processed_images"
  static let csv = "processed_image_data.csv"

  /// The CSV file's lines without the header.
  var rows: [String] {
    text(Self.csv).split(separator: "\n", omittingEmptySubsequences: true).dropFirst().map { String($0) }
  }

  /// The images that have rows, one entry a row, in the file's order. For names without commas and quotes.
  var rowNames: [String] {
    rows.map { row in
      let path = row.split(separator: ",", omittingEmptySubsequences: false)[0]
      return path.split(separator: Self.output + "/", maxSplits: 1).last.map { String($0) } ?? ""
    }
  }

  /// What lies beside the output and in the consumer's own folder that should be there no more, and what was moved aside.
  func leftovers() throws -> [String] {
    let walker = try FolderWalker(root: path) { _ in true }
    var names: [String] = []
    while let entry = walker.next() {
      let name = String(decoding: try entry.get().relativePath, as: UTF8.self)
      if name.hasSuffix(".part") || name.contains(".aside") { names.append(name) }
    }
    return names.sorted()
  }

  func remove(_ name: String) throws {
    let remover = try Program(["-rf", path + "/" + name], in: self, executable: "/bin/rm")
    try #require(remover.exitCode() == 0, "\(remover.output)")
  }
}

/// Expects exactly these images in the output, byte for byte, one row each, and nothing left over.
func expectStored(
  _ images: [String: [UInt8]], in folder: Scratch, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  #expect(try folder.files(Scratch.output) == images.keys.sorted(), sourceLocation: sourceLocation)
  expectBytes(images, in: folder, Scratch.output, sourceLocation: sourceLocation)
  #expect(folder.rowNames.sorted() == images.keys.sorted(), sourceLocation: sourceLocation)
  #expect(try folder.leftovers() == [], sourceLocation: sourceLocation)
}

/// Expects these files in a folder; says the names of those that are missing or have other bytes, and not the bytes.
func expectBytes(
  _ images: [String: [UInt8]], in folder: Scratch, _ place: String, sourceLocation: SourceLocation = #_sourceLocation
) {
  let wrong = images.filter { folder.read(place + "/" + $0.key) != $0.value }.keys.sorted()
  #expect(wrong == [], sourceLocation: sourceLocation)
}

/// Images with unlike sizes and bytes: `number` of them in two folders.
func sampleImages(_ number: Int, bytes: Int = 600) -> [String: [UInt8]] {
  Dictionary(
    uniqueKeysWithValues: (0..<number).map {
      ("\(["cat", "dog"][$0 % 2])/\($0).jpg", Scratch.bytes(bytes + $0 * 13 % 997, seed: UInt64($0)))
    })
}

extension Program {
  /// A consumer that ends when it has stored everything.
  static func storeAll(
    in folder: Scratch, _ broker: Broker, _ more: [String: String] = [:], idle: String = "0.3",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let consumer = try Program(
      ["consumer", "--until-idle", idle], in: folder, environment: broker.environment(more))
    let code = consumer.exitCode()
    #expect(code == 0, "\(consumer.output)", sourceLocation: sourceLocation)
    return consumer.output
  }
}
