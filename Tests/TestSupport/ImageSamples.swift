/// The project's sample images.
package enum ImageSamples {
  private static let folder =
    "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/samples/"

  package static func bytes(_ name: String) throws -> [UInt8] { try contents(of: folder + name) }
}
