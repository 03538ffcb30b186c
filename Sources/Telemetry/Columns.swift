/// Measures the width of text on a terminal.
enum Columns {
  /// The longest prefix of the text that fits into `width` columns.
  static func cut(_ text: String, to width: Int) -> String {
    var used = 0
    var result = ""
    for character in text {
      used += count(of: character)
      if used > width { break }
      result.append(character)
    }
    return result
  }

  // Not wcwidth(3), which knows only what the process's locale knows. East Asian wide blocks and emoji take two columns
  // (Unicode annex 11). If in doubt, two: a line that is too long breaks the screen, a short one does not.
  private static func count(of character: Character) -> Int {
    guard let first = character.unicodeScalars.first else { return 0 }
    if character.unicodeScalars.contains(where: { $0.value == 0xFE0F }) { return 2 }
    switch first.value {
    case 0x1100...0x115F, 0x2E80...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
      0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F000...0x3FFFD:
      return 2
    default:
      return first.properties.isEmojiPresentation ? 2 : 1
    }
  }
}
