import TestSupport
import Testing

@testable import Consumer
@testable import Output
@testable import Wire

/// Different images under one name.
extension StoreLettersTests {
  private func name(_ name: String, _ text: String) throws -> String {
    try ImageName(name).alternatives(digest(of: text))[0].value
  }

  /// Stores the messages after the first `earlier` ones.
  private func store(_ sent: [Sent], in store: ImageStore, after earlier: inout Int) throws -> ImageStore.Stored {
    let transactions = try storeAll(batch(store, sent, after: earlier), in: store)
    earlier += sent.count
    return transactions.reduce(into: ImageStore.Stored()) {
      $0.images += $1.images
      $0.replaced += $1.replaced
      $0.keptBoth += $1.keptBoth
      $0.unchanged += $1.unchanged
    }
  }

  private func rows() throws -> [String] {
    try scratch.read("rows.csv").split(separator: "\n").dropFirst().map {
      String($0.split(separator: ",")[0].dropFirst((scratch / "out/").count))
    }
  }

  private func files() throws -> [String: String] {
    try Dictionary(
      uniqueKeysWithValues: scratch.names("out").filter { $0 != ImageName.reserved }
        .map { ($0, try scratch.read("out/" + $0)) })
  }

  @Test("only an image that replaces another counts as a replacement")
  func replacementsAreCounted() throws {
    let store = try store()
    var sent = 0
    let first = try self.store([image("a.jpg", "one"), image("b.jpg", "one")], in: store, after: &sent)
    #expect(first.replaced == [] && first.images.count == 2)
    let second = try self.store(
      [image("a.jpg", "two"), image("b.jpg", "one")] + segments("b.jpg", "three, in parts"), in: store, after: &sent)
    #expect(second.replaced == ["a.jpg", "b.jpg"] && second.unchanged == 1)
    try (store.place as! FolderPlace).output.root.remove("a.jpg")
    let third = try self.store([image("a.jpg", "two")], in: store, after: &sent)
    #expect(third.replaced == [] && third.images.count == 1)
    #expect(try files() == ["a.jpg": "two", "b.jpg": "three, in parts"])
    #expect(try rows() == ["a.jpg", "b.jpg", "a.jpg", "b.jpg"])
  }

  @Test("keep-both stores every version of a name once, however often it arrives")
  func keepBothStoresVersionsOnce() throws {
    let store = try store()
    store.place.sameName = .keepBoth
    var sent = 0
    let all = [image("a.jpg", "one"), image("a.jpg", "two")] + segments("a.jpg", "three, in parts")
    let first = try self.store(all, in: store, after: &sent)
    #expect(first.replaced == [] && first.images.count == 3)
    let names = ["a.jpg", try name("a.jpg", "two"), try name("a.jpg", "three, in parts")]
    #expect(first.keptBoth.map(\.storedAs) == Array(names.dropFirst()))
    let again = try self.store(all, in: store, after: &sent)
    #expect(again.images.isEmpty && again.unchanged == 3)
    #expect(try rows() == names)
    #expect(try files() == [names[0]: "one", names[1]: "two", names[2]: "three, in parts"])
    // A file removed by hand is restored without a second row.
    try (store.place as! FolderPlace).output.root.remove(names[1])
    let restored = try self.store([image("a.jpg", "two")], in: store, after: &sent)
    #expect(restored.images.count == 1 && restored.keptBoth.isEmpty)
    #expect(try rows() == names && files()[names[1]] == "two")
  }

  @Test("an image that already has the alternative name is not replaced")
  func takenNamesAreLeftAlone() throws {
    let store = try store()
    store.place.sameName = .keepBoth
    var sent = 0
    let taken = try name("a.jpg", "two")
    let all = [image("a.jpg", "one"), image(taken, "a guest"), image("a.jpg", "two")]
    _ = try self.store(all, in: store, after: &sent)
    let expected = [
      "a.jpg": "one", taken: "a guest", try ImageName("a.jpg").alternatives(digest(of: "two"))[1].value: "two",
    ]
    #expect(try files() == expected)
    #expect(try self.store(all, in: store, after: &sent).unchanged == 3)
    #expect(try files() == expected)
  }
}
