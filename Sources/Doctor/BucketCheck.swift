import Bucket
import Configuration
import S3
import Telemetry

/// Checks the bucket that images are stored in, by trying what a consumer does. The trial's object is removed.
enum BucketCheck {
  static func look(_ bucket: BucketSettings, _ report: DoctorReport) {
    let client = S3Client(bucket.store)
    defer { client.close() }
    let place = "\(bucket.address) at \(bucket.store.endpoint.description)"
    do {
      let trials = try StoreProbe(client, BucketLayout(bucket.address)).run()
      report.add(.ok("bucket_reachable", "\(place) can be written, read and listed with \(bucket.store.identity)"))
      for trial in trials where !trial.works {
        report.add(
          .problem(
            "store_suitable", "the store does not keep to this: \(trial.what)",
            cure: "use a store that does; docs/bucket.md lists some"))
      }
      if trials.allSatisfy(\.works) {
        report.add(.ok("store_suitable", "the store honours conditions, and checks the bytes that arrive"))
      }
    } catch {
      report.add(
        .problem("bucket_reachable", "\(place) cannot be used: \(error)", cure: "correct what the answer names"))
    }
  }
}
