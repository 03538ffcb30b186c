import Glibc
package import Platform
import Wire

/// An output as `Verifier` reads it.
package protocol VerifiedOutput: AnyObject {
  /// Calls `body` with the name and the hash of each row, in order; the hash is empty if the row has none.
  func eachRow(_ body: (_ name: String, _ digest: String) throws -> Void) throws
  /// The hash of a stored image's bytes, read now; nil if there is no such image.
  func storedDigest(_ name: String) throws -> Digest?
  /// Calls `body` with the name of everything that is stored. What belongs to the output itself is left out.
  func eachName(_ body: (String) throws -> Void) throws
}

/// A folder with its CSV file, whatever has stored the images.
package final class VerifiedFolder: VerifiedOutput {
  private let output: String
  private let csvPath: String

  package init(_ output: String, csvPath: String) {
    self.output = output
    self.csvPath = csvPath
  }

  package func eachRow(_ body: (String, String) throws -> Void) throws {
    let file = try File.open(csvPath, .read)
    var names = RowNames(output: output)
    var isHeader = true
    try CSVParser.read(file) { fields in
      defer { isHeader = false }
      guard !isHeader, let path = fields.first else { return }
      let name =
        names.name(of: path) { [output] name in
          (try? FileStatus.of(output + "/" + name, followingLinks: false))??.kind == .regular
        } ?? path
      // A CSV file of the Python scripts has no hashes. Then only the row counts.
      try body(name, fields.count > 2 ? fields[2] : "")
    }
  }

  package func storedDigest(_ name: String) throws -> Digest? {
    guard try FileStatus.of(output + "/" + name, followingLinks: false)?.kind == .regular else { return nil }
    return try File.open(output + "/" + name, .read).digest()
  }

  package func eachName(_ body: (String) throws -> Void) throws {
    try FolderFiles(output, csvPath: csvPath).eachName(body)
  }
}
