import Glibc
import TestSupport
import Testing

@testable import Platform

@Suite(.ownThread) struct DemoTests {
  private let folder = TestFolder()

  private func demo(_ input: String, _ output: String, _ more: [String: String] = [:]) throws -> Program {
    let program = try Program(
      ["demo", "--input", input, "--output", output], in: folder, environment: ["SETTLE_MS": "0"].merging(more) { $1 })
    _ = program.exitCode(within: .seconds(120))
    return program
  }

  @Test("a demo carries a folder with subfolders and prints a summary") func demoCarriesFolders() throws {
    let images = [
      "top.jpg": SeededNumbers.bytes(5_000, seed: 1), "cat/1.PNG": SeededNumbers.bytes(900, seed: 2),
      "cat/empty.gif": [],
      "Größe & Farbe/été, \"deux\" 100 %.webp": SeededNumbers.bytes(700, seed: 3),
      "日本/深い/フォルダ/写真.jpeg": SeededNumbers.bytes(60_000, seed: 4),
    ]
    for (name, bytes) in images { try folder.write("my images/" + name, bytes) }
    try folder.write("my images/notes.txt", [1])
    try folder.write("my images/.hidden/1.jpg", [2])
    let first = try demo("my images", "out put")
    #expect(first.exitCode() == 0, "\(first.output)")
    #expect(first.output.numbers(in: "images") == [5], "\(first.output)")
    #expect(first.output.contains("66.6 kB"), "\(first.output)")
    #expect(first.output.contains(" out put/processed_images\n"), "\(first.output)")
    #expect(first.output.contains(" out put/processed_image_data.csv\n"), "\(first.output)")
    #expect(first.output.numbers(in: "verified") == [5], "\(first.output)")
    #expect(try folder.files("out put/processed_images") == images.keys.sorted())
    expectBytes(images, in: folder, "out put/processed_images")
    #expect(folder.text("out put/processed_image_data.csv").split(separator: "\n").count == 6)

    let csv = folder.bytes("out put/processed_image_data.csv")
    let second = try demo("my images/", "out put/")
    #expect(second.exitCode() == 0, "\(second.output)")
    #expect(second.output.numbers(in: "images") == [0, 5], "\(second.output)")
    #expect(folder.bytes("out put/processed_image_data.csv") == csv)
    #expect(try folder.leftovers() == [])
  }

  @Test("a demo whose input is an output is refused") func demoOfAnOutputIsRefused() throws {
    try folder.write("images/1.jpg", [1])
    #expect(try demo("images", ".").exitCode() == 0)
    let again = try demo("processed_images", ".")
    #expect(again.exitCode() == 1, "\(again.output)")
    #expect(again.hasEvent("program_failed", ["error": "InputFolder.Refusal"], naming: "IMAGES_DIR"), "\(again.output)")
    #expect(try folder.files("processed_images") == ["1.jpg"])
  }

  @Test("a demo with its output inside its input does not carry its own output") func demoSkipsItsOwnOutput() throws {
    let images = ["1.jpg": SeededNumbers.bytes(100, seed: 1), "sub/2.jpg": SeededNumbers.bytes(200, seed: 2)]
    for (name, bytes) in images { try folder.write("images/" + name, bytes) }
    for round in 1...2 {
      let run = try demo("images", "images/sub/result")
      #expect(run.exitCode() == 0, "\(run.output)")
      #expect(run.output.numbers(in: "images") == (round == 1 ? [2] : [0, 2]), "\(run.output)")
      #expect(try folder.files("images/sub/result/processed_images") == images.keys.sorted())
    }
  }

  @Test("a demo carries an image many times larger than its broker retains") func demoCarriesLargeImage() throws {
    let image = SeededNumbers.bytes(20_000_000, seed: 20)
    try folder.write("images/large.tif", image)
    try folder.write("images/small.jpg", [1, 2, 3])
    let run = try demo("images", "out")
    #expect(run.exitCode() == 0, "\(run.output)")
    #expect(run.output.numbers(in: "images") == [2], "\(run.output)")
    #expect(folder.bytes("out/processed_images/large.tif") == image)
    #expect(try folder.leftovers() == [])
  }

  /// The embedded broker delays the first member of a group by 3 s.
  @Test("a demo joins no group, so it ends before the broker would admit a member") func demoNeedsNoGroup()
    throws
  {
    for number in 0..<12 { try folder.write("images/\(number).jpg", SeededNumbers.bytes(30_000, seed: UInt64(number))) }
    let times = try (0..<3).map { round in
      let begun = ContinuousClock.now
      let run = try demo("images", "out\(round)")
      #expect(run.exitCode() == 0 && run.output.numbers(in: "images") == [12], "\(run.output)")
      return ContinuousClock.now - begun
    }
    #expect(times.min()! < .milliseconds(2_500), "\(times)")
  }

  @Test("a demo with a page goes on with new images until it is stopped") func demoShowsNewImages() throws {
    let port = try StatusPage.freePort()
    try folder.write("images/1.jpg", [1])
    let program = try Program(
      ["demo", "--page", "--input", "images", "--output", "."], in: folder,
      environment: ["SETTLE_MS": "0", "PAGE_PORT": "\(port)"])
    func list() throws -> String { try RawResponse.get(port, "/api/pictures")?.text ?? "" }
    #expect(eventually { program.output.numbers(in: "verified") == [1] }, "\(program.output)")
    try folder.write("images/2.jpg", [2])
    #expect(eventually { try list().contains("\"2.jpg\"") }, "\(program.output)")
    #expect(program.terminate() == 0, "\(program.output)")
    #expect(try folder.files("processed_images") == ["1.jpg", "2.jpg"])
  }

  @Test("a demo whose page has no port fails with the fix") func demoNeedsItsPort() throws {
    let port = try StatusPage.freePort()
    try folder.write("images/1.jpg", [1])
    let first = try Program(["page"], in: folder, environment: ["PAGE_PORT": "\(port)"])
    #expect(eventually { first.hasEvent("page_started") }, "\(first.output)")
    let second = try Program(
      ["demo", "--page", "--input", "images", "--output", "."], in: folder, environment: ["PAGE_PORT": "\(port)"])
    #expect(second.exitCode() == 1, "\(second.output)")
    #expect(second.hasEvent("program_failed", ["error": "EADDRINUSE"], naming: "PAGE_PORT"), "\(second.output)")
    #expect(first.terminate() == 0)
  }

  @Test("a demo of an empty folder succeeds") func demoOfEmptyFolderSucceeds() throws {
    _ = try Folder.create(folder.path + "/images")
    let run = try demo("images", "out")
    #expect(run.exitCode() == 0, "\(run.output)")
    #expect(run.output.numbers(in: "images") == [0], "\(run.output)")
  }
}
