import Platform

/// A bucket was named where only a folder can be: by an option of a command.
package struct FolderWanted: Error, CustomStringConvertible {
  let command: String
  let output: String

  /// - Throws: if the output is a bucket.
  package static func check(_ output: String, for command: String) throws(FolderWanted) {
    if output.hasPrefix(BucketAddress.scheme) { throw FolderWanted(command: command, output: output) }
  }

  package var description: String {
    "\(command) works on a folder if --output names it, and the output is \(output). Set PROCESSED_IMAGES_DIR to the bucket instead"
  }
}
