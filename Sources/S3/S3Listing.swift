/// A listing of a bucket's keys, in the order of their bytes, a page at a time.
package struct S3Listing {
  package struct Object: Sendable {
    package let key: String
    package let size: Int
    /// When it was stored, as the store writes it: the texts have the order of the times.
    package let modified: String
  }

  private let client: any S3Requests
  private let prefix: String
  private let delimiter: String?
  private let after: String?
  private let pageSize: Int
  private var token: String?
  private var isOver = false

  /// - Parameters:
  ///   - prefix: of the keys.
  ///   - after: only keys that follow this one.
  ///   - delimiter: keys with this character after the prefix are replaced by what precedes it (`folders`).
  package init(
    _ client: any S3Requests, prefix: String, after: String? = nil, delimiter: String? = nil, pageSize: Int = 1_000
  ) {
    self.client = client
    self.prefix = prefix
    self.after = after
    self.delimiter = delimiter
    self.pageSize = pageSize
  }

  /// - Returns: the next page; nil after the last one.
  package mutating func nextPage() throws -> (objects: [Object], folders: [String])? {
    guard !isOver else { return nil }
    var request = S3Request("GET")
    request.query = [
      ("list-type", "2"), ("prefix", prefix), ("encoding-type", "url"), ("max-keys", String(pageSize)),
    ]
    if let after { request.query.append(("start-after", after)) }
    if let delimiter { request.query.append(("delimiter", delimiter)) }
    if let token { request.query.append(("continuation-token", token)) }
    let response = try client.perform(request)
    guard let document = XMLElement.parse(response.body), document.name == "ListBucketResult" else {
      throw S3Error(
        name: "MalformedListing", status: response.status,
        description: "listing s3://\(client.bucket)/\(prefix) failed: the answer is not a listing. Check S3_ENDPOINT",
        disposition: .needsPerson)
    }
    token = document["NextContinuationToken"]?.text
    isOver = document["IsTruncated"]?.text != "true"
    if !isOver, token == nil {
      throw S3Error(
        name: "MalformedListing", status: response.status,
        description:
          "listing s3://\(client.bucket)/\(prefix) failed: a part of the listing does not say how to continue",
        disposition: .transient)
    }
    // A store may not know the parameter.
    let isEncoded = document["EncodingType"]?.text == "url"
    func decoded(_ text: String?) -> String? { text.flatMap { isEncoded ? URLEncoding.decode($0) : $0 } }
    let objects = document.all("Contents").compactMap { object in
      decoded(object["Key"]?.text).map {
        Object(
          key: $0, size: object["Size"].flatMap { Int($0.text) } ?? 0, modified: object["LastModified"]?.text ?? "")
      }
    }
    let folders = document.all("CommonPrefixes").compactMap { decoded($0["Prefix"]?.text) }
    return (objects, folders)
  }

  /// The names of the folders below a folder.
  /// - Parameter prefix: the folder, with a slash at its end.
  package static func folders(_ client: any S3Requests, below prefix: String) throws -> [String] {
    var listing = S3Listing(client, prefix: prefix, delimiter: "/")
    var folders: [String] = []
    while let page = try listing.nextPage() {
      folders += page.folders.map { String(decoding: $0.utf8.dropFirst(prefix.utf8.count).dropLast(), as: UTF8.self) }
    }
    return folders
  }

  /// All remaining objects.
  package mutating func all() throws -> [Object] {
    var all: [Object] = []
    while let page = try nextPage() { all += page.objects }
    return all
  }
}
