/// What becomes of an image whose name another image already has.
package enum SameName: String, CaseIterable, Sendable {
  /// It replaces that image.
  case replace
  /// It is stored next to that image, under the name that `ImageName.alternatives` makes of its own name and its hash.
  case keepBoth = "keep-both"
}
