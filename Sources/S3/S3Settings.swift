import Platform

/// The settings of a client.
package struct S3Settings: Sendable {
  package var bucket: String
  package var endpoint: S3Endpoint
  package var addressing: S3Endpoint.Addressing
  package var region: String
  package var identity: S3Identity
  /// A file of certificates to trust in place of the system's.
  package var certificates: String?
  /// The most requests under way.
  package var connections = 128
  /// How often a request is tried before its error is returned. The delays begin with the first and double each time.
  package var attempts = 5
  package var firstDelay = Duration.milliseconds(100)
  package var longestDelay = Duration.seconds(3)

  package init(
    bucket: String, endpoint: S3Endpoint, addressing: S3Endpoint.Addressing = .path, region: String,
    identity: S3Identity, certificates: String? = nil
  ) {
    self.bucket = bucket
    self.endpoint = endpoint
    self.addressing = addressing
    self.region = region
    self.identity = identity
    self.certificates = certificates
  }
}
