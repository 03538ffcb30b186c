import Platform
import Telemetry

/// A file of the page, which is part of the program.
struct PageResource: Sendable {
  let contentType: String
  let bytes: [UInt8]
  /// Changes with the bytes.
  private let tag: String

  private init(_ contentType: String, _ bytes: [UInt8]) {
    (self.contentType, self.bytes) = (contentType, bytes)
    tag = String(bytes.withUnsafeBytes { SHA256.hash($0) }.hex.prefix(16))
  }

  static let all: [String: PageResource] = [
    "/": PageResource("text/html; charset=utf-8", PackageResources.page_html),
    // Several files for their readers, one style sheet and one module for browsers.
    "/page.css": PageResource(
      "text/css; charset=utf-8",
      PackageResources.page_css + PackageResources.states_css + PackageResources.story_css
        + PackageResources.dialog_css + PackageResources.numbers_css + PackageResources.checks_css
        + PackageResources.failures_css),
    "/page.js": PageResource(
      "text/javascript; charset=utf-8",
      PackageResources.text_js + PackageResources.dialog_js + PackageResources.list_js + PackageResources.grid_js
        + PackageResources.story_js + PackageResources.chart_js + PackageResources.numbers_js
        + PackageResources.checks_js + PackageResources.message_js + PackageResources.failures_js
        + PackageResources.page_js),
  ]

  static func at(_ path: String) -> PageResource? { all[path] }

  func response(to request: HTTPRequest) -> HTTPResponse {
    var response = HTTPResponse(contentType: contentType, bytes: bytes)
    let tag = "\"\(tag)\""
    if request.header("If-None-Match") == tag {
      response = HTTPResponse(status: 304, contentType: contentType, bytes: [])
    }
    response.headers.append(("ETag", tag))
    return response
  }
}
