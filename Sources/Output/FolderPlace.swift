package import Messaging
package import Platform
package import Wire

/// Images in a folder, with their rows in a CSV file. The catalog among the images is authoritative.
package final class FolderPlace: ImagePlace {
  let output: OutputFolder
  private let catalog: Catalog
  private let csv: CSVFile
  private let preparer: BatchPreparer

  package var sameName = SameName.replace
  package var path: String { output.path }

  // Of the open transaction:
  /// Names that it has stored, by their bytes; true if the image was assembled from segments.
  private var placed: [[UInt8]: Bool] = [:]
  /// Whether older versions of images are to be skipped.
  private var hasPast = false

  init(_ output: OutputFolder, _ catalog: Catalog, _ csv: CSVFile, incoming: Folder) throws {
    self.output = output
    self.catalog = catalog
    self.csv = csv
    preparer = try BatchPreparer(output, incoming: incoming)
  }

  // MARK: Preparation

  package func begin(_ batch: ImageStore.Batch, releasing: Bool) -> Preparation {
    preparer.begin(batch, releasing: releasing)
  }

  package func drop(_ prepared: ArraySlice<Prepared>) { preparer.drop(prepared) }

  /// Batches do not depend on one another until they are stored.
  package var mustReadAgain: Bool { false }
  package func restart() {}

  /// A disk is soon done.
  package func interrupt() {}

  // MARK: Transaction

  package func beginTransaction() throws {
    placed = [:]
    // If both versions are kept, an older one replaces nothing.
    hasPast = try sameName == .replace && catalog.hasPast
  }

  package func store(
    _ image: PreparedImage, of message: any Message, _ topic: Catalog.Topic, _ heart: Heartbeat
  ) throws -> Placement {
    let name = try nameToStore(image.name, image.digest)
    let entry = try catalog.entry(name.value)
    if try isThere(name, image.digest, entry, heart) { return .unchanged }
    if try isPast(image.name, image.digest, message, topic) { return .past }
    // Renaming this image over an assembled one would leave nothing to assemble that from again after a crash.
    if placed[name.value.pathKey] == true { return .nextTransaction }
    let kept = image.kept as! IncomingImage
    let status: FileStatus
    do {
      status = try output.place(kept.file, as: name, over: entry)
    } catch let refusal as ImageName.Refusal { return .refused(refusal) }
    FaultPoint.imageRenamed.reached()
    placed[name.value.pathKey] = false
    return .stored(try record(name, image.name, image.digest, image.probe, status, message, before: entry))
  }

  package func isStored(
    _ part: PreparedPart, _ message: any Message, _ topic: Catalog.Topic, _ heart: Heartbeat
  ) throws -> Bool {
    let name = try nameToStore(part.name, part.digest)
    return try isThere(name, part.digest, catalog.entry(name.value), heart)
  }

  package func isPast(
    _ name: ImageName, _ digest: Digest, _ message: any Message, _ topic: Catalog.Topic
  ) throws -> Bool { try hasPast && catalog.isPast(name.value, digest, from: message.origin, topic) }

  package func store(
    _ image: AssembledImage, of message: any Message, _ topic: Catalog.Topic, _ heart: Heartbeat
  ) throws -> Placement {
    let name = try nameToStore(image.name, image.digest)
    if placed[name.value.pathKey] != nil { return .nextTransaction }
    let status: FileStatus
    do {
      status = try output.place(
        TemporaryFile(image.fileName, in: output.segments.folder), as: name, over: catalog.entry(name.value))
    } catch let refusal as ImageName.Refusal { return .refused(refusal) }
    return try placedAssembled(name, image.name, image.digest, image.probe, status, message)
  }

  package func storedBefore(
    _ assembly: Catalog.Assembly, _ name: ImageName, of message: any Message, _ topic: Catalog.Topic, _ heart: Heartbeat
  ) throws -> Placement? {
    let stored = try nameToStore(name, assembly.digest)
    guard let status = try output.status(stored), status.size == assembly.length,
      let file = try output.openFile(stored), try file.digest(heart) == assembly.digest
    else { return nil }
    try output.touch(stored)
    return try placedAssembled(stored, name, assembly.digest, try file.probe(), status, message)
  }

  private func placedAssembled(
    _ name: ImageName, _ sent: ImageName, _ digest: Digest, _ probe: ImageProbe, _ status: FileStatus,
    _ message: any Message
  ) throws -> Placement {
    placed[name.value.pathKey] = true
    return .stored(try record(name, sent, digest, probe, status, message, before: catalog.entry(name.value)))
  }

  package func refusal(of image: PreparedImage) throws -> ImageName.Refusal? {
    let name = try nameToStore(image.name, image.digest)
    return try output.refusal(of: name, over: catalog.entry(name.value))
  }

  package func seal(_ transaction: SealedTransaction, _ heart: Heartbeat) throws -> Bool {
    // The folders and the CSV file are synced at the same time: the disk can do both at once.
    let syncing = BackgroundTask(output.takeTouched())
    do { try csv.synchronize(heart) } catch {
      try? syncing.finish()
      throw error
    }
    try syncing.finish()
    FaultPoint.foldersSynced.reached()
    return true
  }

  package func recorded(_ transaction: SealedTransaction) {}

  // MARK: Names and rows

  /// The name that an image is stored under.
  private func nameToStore(_ name: ImageName, _ digest: Digest) throws -> ImageName {
    guard sameName == .keepBoth, try !isFree(name, for: digest) else { return name }
    let alternatives = name.alternatives(digest)
    return try alternatives.first { try isFree($0, for: digest) } ?? alternatives[alternatives.count - 1]
  }

  private func isFree(_ name: ImageName, for digest: Digest) throws -> Bool {
    try catalog.entry(name.value).map { $0.digest == digest } ?? true
  }

  /// True if exactly this image is stored under the name, according to the catalog and the disk.
  private func isThere(
    _ name: ImageName, _ digest: Digest, _ entry: Catalog.Entry?, _ heart: Heartbeat
  ) throws -> Bool {
    guard let entry, entry.digest == digest, let status = try output.status(name), status.size == entry.size
    else { return false }
    if entry.isStampOf(status) { return true }
    // The file was moved, restored or altered: its bytes decide.
    guard let file = try output.openFile(name), try file.digest(heart) == digest else { return false }
    try output.touch(name)
    try catalog.set(Catalog.Entry(digest, status), name: name.value)
    return true
  }

  /// Records an image that was renamed to its name: its entry, and its row unless it has one.
  /// - Parameters:
  ///   - name: the name that it is stored under.
  ///   - sent: its name in the message.
  ///   - before: the entry that the name had.
  private func record(
    _ name: ImageName, _ sent: ImageName, _ digest: Digest, _ probe: ImageProbe, _ status: FileStatus,
    _ message: any Message, before: Catalog.Entry?
  ) throws -> StoredImage {
    try catalog.set(Catalog.Entry(digest, status), name: name.value)
    // The file was removed by hand, and the image arrived again: it already has its row.
    let isNew = before?.digest != digest
    if isNew {
      try catalog.append(
        StoredRow(filePath: output.filePath(name), name, digest, status.size, probe, message))
    }
    return StoredImage(name: name, bytes: status.size, isNew: isNew, isReplacement: isNew && before != nil)
  }
}
