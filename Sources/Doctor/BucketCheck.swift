import Bucket
import Configuration
import Platform
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
      if let finding = clock(client) { report.add(finding) }
      for finding in lifecycle(client, bucket.address) { report.add(finding) }
    } catch {
      report.add(
        .problem("bucket_reachable", "\(place) cannot be used: \(error)", cure: "correct what the answer names"))
    }
  }

  // MARK: Clock

  /// Stores refuse requests whose time is more than 15 minutes from theirs.
  private static func clock(_ client: S3Client) -> Finding? {
    let before = WallClock.milliseconds
    guard let response = try? client.perform(S3Request("HEAD")), let time = response.time else { return nil }
    // The store's time has no fractions of a second, and is of some moment between question and answer.
    let (behind, ahead) = (time - WallClock.milliseconds, before - time - 1_000)
    let difference = max(0, behind, ahead)
    let text =
      "this machine's clock is \(Quantity.duration(.milliseconds(difference))) \(behind > 0 ? "behind" : "ahead of") "
      + "the store's"
    let cure = "synchronise both with NTP (timedatectl set-ntp true): a store refuses requests of other times"
    if difference > 300_000 { return .problem("store_clock", text, cure: cure) }
    if difference > 5_000 { return .note("store_clock", text, cure) }
    return .ok("store_clock", "this machine's clock and the store's agree within \(difference + 1_000) ms")
  }

  // MARK: Lifecycle

  /// Rules of the bucket that would remove images or the log.
  private static func lifecycle(_ client: S3Client, _ address: BucketAddress) -> [Finding] {
    let found: BucketLifecycle
    do { found = try BucketLifecycle(client) } catch {
      return [
        .note(
          "store_lifecycle", "whether the store removes objects by a rule is unknown: \(error)",
          "look at the bucket's lifecycle rules, or give these credentials s3:GetLifecycleConfiguration")
      ]
    }
    let rules = found.rules(about: address.keyStart)
    if rules.isEmpty { return [.ok("store_lifecycle", "no lifecycle rule removes objects below \(address)")] }
    return rules.map { rule in
      let name = rule.name.isEmpty ? "a lifecycle rule" : "the lifecycle rule \(rule.name)"
      let effect =
        switch rule.effect {
        case .deletes: "deletes objects \(rule.time)"
        case .archives(let storage): "moves objects to \(storage) \(rule.time), where they cannot be read at once"
        }
      return .problem(
        "store_lifecycle", "\(name) \(effect), below \(address), too",
        cure: "restrict it to another prefix: without its log, an output stores images again")
    }
  }
}
