/// Names that storage and operating systems give to files and folders of their own, among those of the user.
enum SystemNames {
  /// Thumbnails, deleted files, snapshots (earlier copies of the whole share) and metadata. In lower case: file servers spell
  /// some of them differently. Those that begin with a dot are hidden anyway.
  private static let folders: Set<String> = [
    // Synology DSM.
    "@eadir", "@tmp", "@sharebin", "@sharesnap", "#recycle", "#snapshot",
    // QNAP QTS.
    "@recycle", "@recently-snapshot", "@transcode", "@__thumb",
    // NetApp ONTAP, over SMB.
    "~snapshot",
    // Windows.
    "$recycle.bin", "system volume information",
    // Linux' fsck.
    "lost+found",
    // macOS: its archives, and its file servers.
    "__macosx", "network trash folder", "temporary items",
  ]

  private static let files: Set<String> = ["thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"]
  /// Windows' mark of a downloaded file, where it has become a file of its own.
  private static let suffix = ":zone.identifier"

  /// - Parameter name: in lower case, without folders.
  static func isFolder(_ name: String) -> Bool { folders.contains(name) }

  /// - Parameter name: in lower case, without folders.
  static func isFile(_ name: String) -> Bool { files.contains(name) || name.hasSuffix(suffix) }
}
