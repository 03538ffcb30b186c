import Testing

@testable import Platform

/// What is removed from around a setting's value.
@Suite struct SettingTextTests {
  @Test(
    "white space and one pair of quotes are no part of a value",
    arguments: [
      ("a", "a"), (" a\r\n", "a"), ("\u{FEFF}a\u{A0}", "a"), ("\"a b\"", "a b"), (" 'a' ", "a"), ("\" a \"", "a"),
      ("''", ""),
      ("\"\"", ""), ("\"", "\""), ("\"a'", "\"a'"), ("\"a\" \"b\"", "\"a\" \"b\""), ("a\"b", "a\"b"),
      ("e\u{301} ", "e\u{301}"), ("", ""),
    ])
  func quotesAreRemoved(text: String, value: String) {
    #expect(Array(SettingText.unquoted(text).utf8) == Array(value.utf8))
  }

  @Test(
    "a secret loses only line ends and the byte-order mark",
    arguments: [("a b\r\n\n", "a b"), (" 'a' ", " 'a' "), ("\u{FEFF}a", "a"), ("\ta\n", "\ta")])
  func secretKeepsTheRest(text: String, value: String) { #expect(SettingText.secret(text) == value) }
}
