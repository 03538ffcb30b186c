import Platform

/// A command that works on folders only was given a bucket.
package struct FolderWanted: Error, CustomStringConvertible {
  let command: String
  let output: String

  /// - Throws: if the output is a bucket.
  package static func check(_ output: String, for command: String) throws(FolderWanted) {
    if output.hasPrefix(BucketAddress.scheme) { throw FolderWanted(command: command, output: output) }
  }

  package var description: String {
    "\(command) works on a folder, and the output is \(output). docs/bucket.md lists what works on a bucket"
  }
}
