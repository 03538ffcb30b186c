/// The images of the first part: every size and every kind of name that has ever been a special case somewhere.
enum Edges {
  /// How a writer creates a file. Each way is noticed differently.
  enum Way: CaseIterable {
    /// Written under its name and closed.
    case inPlace
    /// Like `inPlace`, but in small pieces with pauses: half a file must never be sent.
    case slowly
    /// Written under a name that is not an image's, then renamed.
    case renamed
  }

  struct Image {
    let name: String
    let size: Int
    let label: String
    let way: Way
  }

  /// Sizes around the limits at which an image is sent differently: 720,000 bytes are one message, one byte more makes
  /// two.
  private static let sizes = [
    0, 1, 2, 3, 4, 255, 65_536, 719_999, 720_000, 720_001, 1_000_000, 1_440_000, 1_440_001, 5_000_000, 20_000_000,
  ]

  private static let names: [(name: String, label: String)] = [
    ("at the top.jpg", "at the top.jpg"),
    ("cat/001.jpg", "cat"),
    ("cat/kitten/very/deep/indeed/002.PNG", "cat"),
    ("with spaces/two  of them .jpg", "with spaces"),
    ("Größe 100 % été.png", "Größe 100 % été.png"),
    ("日本語/写真.jpeg", "日本語"),
    ("чёрный кот/кот.webp", "чёрный кот"),
    ("emoji 🐈/🐈‍⬛.gif", "emoji 🐈"),
    (#"quotes "and", commas/it's a 'quote', "yes".jpg"#, #"quotes "and", commas"#),
    // A spreadsheet must not take it for a formula.
    ("=1+2/formula.bmp", "'=1+2"),
    ("-5/number.tif", "-5"),
    ("percent%20encoded/%2e%2e.jpg", "percent%20encoded"),
    ("back\\slash/a\\b.jpg", "back\\slash"),
    ("long/" + String(repeating: "n", count: 240) + ".jpg", "long"),
    ("dots.in.name/a.b.c.jpg", "dots.in.name"),
    ("2024-01-31T12_00_00Z/frame #7.jpg", "2024-01-31T12_00_00Z"),
  ]

  static let all: [Image] = {
    var images: [Image] = []
    func add(_ name: String, _ size: Int, _ label: String) {
      images.append(Image(name: name, size: size, label: label, way: Way.allCases[images.count % Way.allCases.count]))
    }
    for size in sizes { add("sizes/\(size).jpg", size, "sizes") }
    for (number, entry) in names.enumerated() { add(entry.name, 10_000 + number, entry.label) }
    for number in 0..<600 {
      images.append(
        Image(name: "many \(number % 12)/\(number).jpg", size: number * 7, label: "many \(number % 12)", way: .inPlace))
    }
    return images
  }()

  /// Files that are not images, or not yet. None of them may arrive.
  static let strangers = [
    "notes.txt", ".hidden.jpg", "half.jpg.part", "download.png.crdownload", ".folder/inside.jpg", "no extension",
  ]
}
