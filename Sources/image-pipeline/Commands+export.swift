import Bucket
import Configuration
import Output
import Platform
import S3

extension Commands {
  /// Prints the rows of a bucket as one CSV file.
  func export() throws -> Int32 {
    guard let bucket = configuration.consumer.bucket else {
      throw UsageError(
        "export is for a bucket: a folder has its CSV file already, at \(configuration.consumer.csvPath)")
    }
    let client = S3Client(bucket.store)
    defer { client.close() }
    show(CSVLine.header)
    try BucketRows(client, BucketLayout(bucket.address)).each { row in
      try stop.check("not all rows were written")
      show(CSVLine.bytes(row))
    }
    return 0
  }

  private func show(_ bytes: [UInt8]) { print(String(decoding: bytes, as: UTF8.self), terminator: "") }
}
