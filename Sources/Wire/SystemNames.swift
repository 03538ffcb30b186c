/// Names of files and folders that storage and operating systems create among those of the user.
enum SystemNames {
  /// Folders of thumbnails, deleted files, snapshots (earlier copies of the whole share) and metadata. They are in
  /// lower case, because file servers spell some of them differently. Names that begin with a dot are missing, because
  /// they are hidden anyway.
  private static let folders: Set<String> = [
    // Synology DSM.
    "@eadir", "@tmp", "@sharebin", "@sharesnap", "#recycle", "#snapshot",
    // QNAP QTS.
    "@recycle", "@recently-snapshot", "@transcode", "@__thumb",
    // NetApp ONTAP, over SMB.
    "~snapshot",
    // Windows.
    "$recycle.bin", "system volume information",
    // fsck on Linux.
    "lost+found",
    // macOS: its archives, and its file servers.
    "__macosx", "network trash folder", "temporary items",
  ]

  private static let files: Set<String> = ["thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"]
  /// The suffix of Windows' mark of a downloaded file, if the mark has become a file of its own.
  private static let suffix = ":zone.identifier"

  /// - Parameter name: in lower case, without folders.
  static func isFolder(_ name: String) -> Bool { folders.contains(name) }

  /// - Parameter name: in lower case, without folders.
  static func isFile(_ name: String) -> Bool { files.contains(name) || name.hasSuffix(suffix) }
}
