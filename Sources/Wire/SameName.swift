/// What happens to an image if another image of its name is stored.
package enum SameName: String, CaseIterable, Sendable {
  /// It replaces that image.
  case replace
  /// It is stored next to that image, under a name that `ImageName.alternatives` derives from its name and hash.
  case keepBoth = "keep-both"
}
