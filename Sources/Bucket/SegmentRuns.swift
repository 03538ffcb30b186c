import Output
import Platform
import Wire

/// Follows the segments of images through the batches. It knows which images are complete before a transaction records that.
///
/// An image is followed under three conditions. Its segments arrive one after another in one partition. No other segments are
/// in their file. No other image of its name arrives in between. The transaction is then certain to find the image complete
/// at its last segment, and not before.
struct SegmentRuns {
  enum Progress {
    /// - Parameter look: the look at the image's object, which its first segment causes.
    case incomplete(StoredLook)
    case complete(StoredLook)
    /// Whether the image is complete is only known in the transaction.
    case unknown
  }

  /// A place in a topic.
  struct Place {
    let partition: Int32
    let offset: Int64
  }

  private struct Run {
    let file: Catalog.SegmentFile
    let digest: Digest
    let length: Int
    /// The batch of the first segment.
    let batch: Int
    let look = StoredLook()
    /// The index of the next segment.
    var next = 0
    var bytes = 0
    var last: Place

    init(_ part: PreparedPart, at place: Place, batch: Int) {
      file = part.segment.file
      digest = part.digest
      length = part.length
      self.batch = batch
      last = place
    }

    /// - Parameter isNew: whether the file was created in this batch.
    /// - Returns: false if the part does not continue this run.
    mutating func add(_ part: PreparedPart, at place: Place, batch: Int, isNew: Bool) -> Bool {
      guard
        part.segment.file == file, part.segment.index == next, part.digest == digest, part.length == length,
        // The file of an image that is stored already is removed while its segments arrive.
        !isNew || batch == self.batch || look.isStored
      else { return false }
      next += 1
      bytes += part.size
      last = place
      return true
    }
  }

  private enum Owner {
    case run(ImageKey)
    /// Parts that are not followed, with the last offset of each partition.
    case nobody([Int32: Int64])
  }

  /// Each name has one at most.
  private var runs: [ImageKey: Run] = [:]
  /// Whose the parts with a segment id are, by its bytes. All cuts of an image have the same id.
  private var owners: [[UInt8]: Owner] = [:]
  /// Far more images than can be in progress.
  private static let most = 1_000

  /// To be called for each part, in the order of the messages.
  /// - Parameters:
  ///   - batch: grows with each batch.
  ///   - isNew: whether the image's file was created in this batch.
  mutating func add(_ part: PreparedPart, at place: Place, batch: Int, isNew: Bool) -> Progress {
    let (key, id) = (ImageKey(part.name, place.partition), Array(part.segment.id.utf8))
    switch owners[id] {
    case .run(key): break
    case .run(let other):
      end(other)
      return unknown(key, id, place)
    case .nobody: return unknown(key, id, place)
    case nil:
      guard part.segment.index == 0, isNew else { return unknown(key, id, place) }
      end(key)
      if runs.count >= Self.most { endAll() }
      runs[key] = Run(part, at: place, batch: batch)
      owners[id] = .run(key)
    }
    guard var run = runs[key], run.add(part, at: place, batch: batch, isNew: isNew) else {
      return unknown(key, id, place)
    }
    runs[key] = run
    guard run.next == part.segment.count else { return .incomplete(run.look) }
    // More parts with this id may arrive before the file is removed.
    end(key)
    return run.bytes >= run.length ? .complete(run.look) : .unknown
  }

  /// Another version of the image has arrived. The transaction may skip some segments of this one as stored, and not others.
  mutating func end(_ key: ImageKey) {
    guard let run = runs.removeValue(forKey: key) else { return }
    disown(Array(run.file.segmentID.utf8), run.last)
  }

  private mutating func unknown(_ key: ImageKey, _ id: [UInt8], _ place: Place) -> Progress {
    end(key)
    disown(id, place)
    return .unknown
  }

  /// A batch that is prepared again may have earlier messages than the known ones.
  private mutating func disown(_ id: [UInt8], _ place: Place) {
    var last: [Int32: Int64] = if case .nobody(let known) = owners[id] { known } else { [:] }
    last[place.partition] = max(place.offset, last[place.partition] ?? 0)
    owners[id] = .nobody(last)
  }

  /// No later segment continues an image that is followed now.
  mutating func endAll() { for key in Array(runs.keys) { end(key) } }

  /// Messages up to these positions are stored. Parts of incomplete images have a file, so no run begins with theirs.
  mutating func stored(_ positions: [Int32: Catalog.Position]) {
    owners = owners.compactMapValues { owner in
      guard case .nobody(let last) = owner else { return owner }
      let left = last.filter { partition, offset in positions[partition].map { offset >= $0.next } ?? true }
      return left.isEmpty ? nil : .nobody(left)
    }
  }
}
