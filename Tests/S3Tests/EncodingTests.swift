import Testing

@testable import S3

@Suite struct EncodingTests {
  @Test("every byte that is not unreserved is encoded") func encoding() {
    #expect(URLEncoding.encode("AZaz09-._~") == "AZaz09-._~")
    #expect(URLEncoding.encode("a b/=+%(ä)") == "a%20b%2F%3D%2B%25%28%C3%A4%29")
    #expect(URLEncoding.encode("a b/c", keepsSlashes: true) == "a%20b/c")
    // To Swift, a slash and the accent after it are one character.
    #expect(URLEncoding.encode("a/\u{301}b", keepsSlashes: true) == "a/%CC%81b")
  }

  @Test("decoding is the opposite of encoding") func decoding() {
    for text in ["", "a b", "+%41", "ä/=&", "\u{1}\u{7F}", "🙂"] {
      #expect(URLEncoding.decode(URLEncoding.encode(text)) == text)
    }
    #expect(URLEncoding.decode("a+b") == "a b")
    for text in ["%", "%4", "%zz", "%ff"] { #expect(URLEncoding.decode(text) == nil, "\(text)") }
  }

  @Test("a query is sorted by its encoded names") func queries() {
    #expect(URLEncoding.query([("b", "1"), ("a", "x y"), ("a", "")]) == "a=&a=x%20y&b=1")
  }

  @Test("an XML text is read with its entities, and without its namespaces") func xml() throws {
    let text = "<?xml version=\"1.0\"?><a:A xmlns:a=\"x\"><B>1 &amp; 2</B><B>3</B><C><D/></C></a:A>"
    let root = try #require(XMLElement.parse(Array(text.utf8)))
    #expect(root.name == "A" && root["B"]?.text == "1 & 2" && root.all("B").count == 2)
    #expect(root["C", "D"]?.text == "" && root["D"] == nil)
    for text in ["", "<a>", "{}", "<a></b>"] { #expect(XMLElement.parse(Array(text.utf8)) == nil, "\(text)") }
  }

  @Test("an endpoint is a scheme and a host") func endpoints() throws {
    let local = try #require(S3Endpoint("http://127.0.0.1:8333/"))
    #expect(local.location("b", "x y/ä", .path) == ("127.0.0.1:8333", "/b/x%20y/%C3%A4"))
    #expect(local.location("b", nil, .path) == ("127.0.0.1:8333", "/b"))
    let amazon = S3Endpoint.amazon(region: "eu-central-1")
    #expect(amazon.location("b", "k", .virtual) == ("b.s3.eu-central-1.amazonaws.com", "/k"))
    #expect(S3Endpoint.amazon(region: "cn-north-1").description == "https://s3.cn-north-1.amazonaws.com.cn")
    #expect(S3Endpoint.tokenService(region: "cn-north-1").description == "https://sts.cn-north-1.amazonaws.com.cn")
    #expect(amazon.location("b", nil, .virtual) == ("b.s3.eu-central-1.amazonaws.com", "/"))
    #expect(S3Endpoint("HTTPS://store:443")?.host == "store" && S3Endpoint("http://store:443")?.host == "store:443")
    for text in ["", "store", "ftp://store", "https://", "https://a/b", "https://a b", "https://user@host"] {
      #expect(S3Endpoint(text) == nil, "\(text)")
    }
  }
}
