import Platform
import StoreSupport
import TestSupport
import Testing

@testable import S3

@Suite(OwnThread()) struct BucketLifecycleTests {
  private let text = """
    <LifecycleConfiguration>
    <Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix>a/</Prefix></Filter>
      <Expiration><Days>30</Days></Expiration></Rule>
    <Rule><Status>Enabled</Status><Prefix>a/b/c</Prefix><Expiration><Date>2030-01-01</Date></Expiration></Rule>
    <Rule><ID>cold</ID><Status>Enabled</Status><Filter><And><Prefix>a/b/</Prefix><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan></And></Filter>
      <Transition><Days>90</Days><StorageClass>GLACIER</StorageClass></Transition>
      <Transition><Days>10</Days><StorageClass>STANDARD_IA</StorageClass></Transition></Rule>
    <Rule><ID>tagged</ID><Status>Enabled</Status><Filter><Tag><Key>temp</Key><Value>1</Value></Tag></Filter>
      <Expiration><Days>1</Days></Expiration></Rule>
    <Rule><ID>off</ID><Status>Disabled</Status><Expiration><Days>1</Days></Expiration></Rule>
    <Rule><ID>other</ID><Status>Enabled</Status><Filter><Prefix>b/</Prefix></Filter>
      <Expiration><Days>1</Days></Expiration></Rule>
    <Rule><ID>marks</ID><Status>Enabled</Status><Filter/>
      <Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>
      <NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>
      <AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>
    </LifecycleConfiguration>
    """

  @Test("rules that remove or archive objects below a prefix are found") func rulesAreFound() {
    let lifecycle = BucketLifecycle(rules: BucketLifecycle.rules(Array(text.utf8)))
    #expect(lifecycle.rules(about: "a/b/").map(\.name) == ["old", "", "cold"])
    #expect(lifecycle.rules(about: "a/b/").map(\.effect) == [.deletes, .deletes, .archives("GLACIER")])
    #expect(lifecycle.rules(about: "b/").map(\.name) == ["other"])
    #expect(lifecycle.rules(about: "c/").isEmpty)
    // An output that is the whole bucket.
    #expect(lifecycle.rules(about: "").count == 4)
  }

  @Test("a store without rules has none", .onStores, arguments: TestStore.all) func noRules(_ store: TestStore) throws {
    try store.with { (client, _) throws -> Void in #expect(try BucketLifecycle(client).rules == []) }
  }

  @Test("the store's clock is read", .onStores, arguments: TestStore.all) func clock(_ store: TestStore) throws {
    try store.with { client, _ in
      let time = try #require(try client.perform(S3Request("HEAD")).time)
      #expect(abs(WallClock.milliseconds - time) < 60_000)
    }
    #expect(HTTPDate.milliseconds("Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777_000)
    #expect(HTTPDate.milliseconds("yesterday") == nil)
  }
}
