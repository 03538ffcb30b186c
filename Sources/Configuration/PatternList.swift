import Platform

/// The value of IMAGE_EXCLUDE: glob patterns, separated by commas or line ends. A `\` before a comma makes the comma
/// part of a pattern.
enum PatternList {
  struct Fault: Error {
    let pattern: String
    let fix: String
  }

  /// - Parameter input: the input folder. Patterns match paths below it.
  static func parse(_ text: String, input: String) throws(Fault) -> [PathPattern] {
    var patterns: [PathPattern] = []
    for item in split(text) {
      let pattern = SettingText.unquoted(item)
      if pattern.isEmpty { continue }
      if input.hasPrefix("/"), (pattern + "/").hasPrefix(input + "/") {
        throw Fault(pattern: pattern, fix: "write the path below IMAGES_DIR=\(input) without that folder")
      }
      do throws(PathPattern.Fault) { patterns.append(try PathPattern(pattern)) } catch {
        throw Fault(pattern: pattern, fix: error.description)
      }
    }
    return patterns
  }

  private static func split(_ text: String) -> [String] {
    var parts = [""]
    var isEscaped = false
    for scalar in text.unicodeScalars {
      if !isEscaped, scalar == "," || scalar == "\n" || scalar == "\r" {
        parts.append("")
      } else {
        parts[parts.count - 1].unicodeScalars.append(scalar)
      }
      isEscaped = scalar == "\\" && !isEscaped
    }
    return parts
  }
}
