package import S3

/// An output in a bucket, and how to reach it.
package struct BucketSettings: Sendable {
  package var address: BucketAddress
  package var store: S3Settings

  package init(address: BucketAddress, store: S3Settings) {
    self.address = address
    self.store = store
  }
}
