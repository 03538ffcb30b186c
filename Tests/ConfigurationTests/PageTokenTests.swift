import TestSupport
import Testing

@testable import Configuration
@testable import Platform

@Suite struct PageTokenTests {
  private static let secret = "correct-horse-battery"

  @Test("only the same token matches") func matching() throws {
    let token = try #require(PageToken(Self.secret))
    #expect(token.matches(Self.secret))
    for other in ["", Self.secret + "x", String(Self.secret.dropLast()), Self.secret.uppercased(), " " + Self.secret] {
      #expect(!token.matches(other), "\(other)")
    }
  }

  @Test("the time of a comparison does not tell how much of a token is right") func timing() throws {
    let secret = String(repeating: "a", count: 4_000)
    let token = try #require(PageToken(secret))
    // Both are as long as the token. One differs in its first character, the other in its last.
    let guesses = ["b" + secret.dropFirst(), secret.dropLast() + "b"].map { String($0) }
    var times = [[Duration]](repeating: [], count: 2)
    for round in 0..<2_000 {
      let index = round % 2
      let start = MonotonicClock.now
      #expect(!token.matches(guesses[index]))
      times[index].append(MonotonicClock.now - start)
    }
    let medians = times.map { $0.sorted()[$0.count / 2] / .microseconds(1) }
    #expect(medians[0] < medians[1] * 1.5 && medians[1] < medians[0] * 1.5, "\(medians)")
  }

  @Test("a token comes from a variable or from a file") func sources() throws {
    let folder = TestFolder()
    try folder.write("token", Self.secret + "\n")
    for environment in [["PAGE_TOKEN": Self.secret], ["PAGE_TOKEN_FILE": folder / "token"]] {
      #expect(try EnvironmentReader.read(environment).page.token == PageToken(Self.secret))
    }
    #expect(try EnvironmentReader.read([:]).page.token == nil)
    let missing = environmentProblems(["PAGE_TOKEN_FILE": folder / "none"])
    #expect(missing.count == 1 && missing[0].hasPrefix("PAGE_TOKEN_FILE="), "\(missing)")
  }

  @Test(
    "a token that is too short, or that no header can have, is refused without being repeated",
    arguments: ["short", "fifteen-letters", "sixteen letters and spaces", "sechzehn-Zeichen-ä", "sixteen-\u{7}-bell"])
  func unusable(text: String) {
    let found = environmentProblems(["PAGE_TOKEN": text])
    #expect(found.count == 1 && found[0].hasPrefix("PAGE_TOKEN cannot be used: use "), "\(found)")
    #expect(!found[0].contains(text))
  }

  @Test("nothing that prints the settings prints the token") func printing() throws {
    let configuration = try EnvironmentReader.read(["PAGE_TOKEN": Self.secret])
    var text = "\(configuration)" + String(reflecting: configuration)
    dump(configuration, to: &text)
    #expect(!text.contains(Self.secret) && text.contains("page"))
  }
}
