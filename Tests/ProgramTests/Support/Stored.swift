import Glibc
import TestSupport
import Testing

@testable import Platform

extension TestFolder {
  static let output = "processed_images"
  static let csv = "processed_image_data.csv"

  /// The CSV file's lines without the header.
  var rows: [String] {
    text(Self.csv).split(separator: "\n", omittingEmptySubsequences: true).dropFirst().map { String($0) }
  }

  /// The names of images with rows, in the file's order, one per row. For names without commas and quotes.
  var rowNames: [String] {
    rows.map { row in
      let path = row.split(separator: ",", omittingEmptySubsequences: false)[0]
      return path.split(separator: Self.output + "/", maxSplits: 1).last.map { String($0) } ?? ""
    }
  }

  /// The regular files below a folder, relative to it and sorted. The consumer's own folder is left out.
  func files(_ folder: String) throws -> [String] {
    var names: [String] = []
    let walker = try FolderWalker(root: self / folder) { $0 != ".image-pipeline" }
    while let entry = walker.next() {
      let entry = try entry.get()
      if entry.kind == .regular { names.append(String(decoding: entry.relativePath, as: UTF8.self)) }
    }
    return names.sorted()
  }

  /// Files that should not be left: partial files, and files moved aside.
  func leftovers() throws -> [String] {
    let walker = try FolderWalker(root: path) { _ in true }
    var names: [String] = []
    while let entry = walker.next() {
      let name = String(decoding: try entry.get().relativePath, as: UTF8.self)
      if name.hasSuffix(".part") || name.contains(".aside") { names.append(name) }
    }
    return names.sorted()
  }
}

/// Expects exactly these images in the output, byte for byte, with one row each and nothing left over.
func expectStored(
  _ images: [String: [UInt8]], in folder: TestFolder, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  #expect(try folder.files(TestFolder.output) == images.keys.sorted(), sourceLocation: sourceLocation)
  expectBytes(images, in: folder, TestFolder.output, sourceLocation: sourceLocation)
  #expect(folder.rowNames.sorted() == images.keys.sorted(), sourceLocation: sourceLocation)
  #expect(try folder.leftovers() == [], sourceLocation: sourceLocation)
}

/// Expects these files in a folder. Reports the names of missing and different ones, without the bytes.
func expectBytes(
  _ images: [String: [UInt8]], in folder: TestFolder, _ place: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let wrong = images.filter { folder.bytes(place + "/" + $0.key) != $0.value }.keys.sorted()
  #expect(wrong == [], sourceLocation: sourceLocation)
}

/// `number` images of different sizes and bytes in two folders.
func sampleImages(_ number: Int, bytes: Int = 600) -> [String: [UInt8]] {
  Dictionary(
    uniqueKeysWithValues: (0..<number).map {
      ("\(["cat", "dog"][$0 % 2])/\($0).jpg", SeededNumbers.bytes(bytes + $0 * 13 % 997, seed: UInt64($0)))
    })
}

extension TestFolder {
  /// Sample images in the input folder. Returns them.
  func writeImages(_ number: Int) throws -> [String: [UInt8]] {
    let images = sampleImages(number)
    for (name, bytes) in images { try write("images/" + name, bytes) }
    return images
  }
}

extension Program {
  /// A producer that has exited, after it sent everything.
  static func sendAll(in folder: TestFolder, _ broker: Broker, _ more: [String: String] = [:]) throws -> Program {
    let producer = try Program(["producer", "--once"], in: folder, environment: broker.environment(more))
    _ = producer.exitCode()
    return producer
  }

  /// A consumer that has exited, after it stored everything.
  static func storeAll(
    in folder: TestFolder, _ broker: Broker, _ more: [String: String] = [:], idle: String = "0.3",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Program {
    let consumer = try Program(
      ["consumer", "--until-idle", idle], in: folder, environment: broker.environment(more))
    let code = consumer.exitCode()
    #expect(code == 0, "\(consumer.output)", sourceLocation: sourceLocation)
    return consumer
  }
}
