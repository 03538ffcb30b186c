import Output
import Platform
import S3
import Wire

/// Stores an image whose versions may have arrived several times: the newest of them as an object, and for each the
/// outcome. It is a state machine without I/O: `next` gives the request to send, and `received` takes its answer.
///
/// Most images are new, so they are sent without a look whether there is an object. Large ones are not.
///
/// The object decides what is done, by the message that it came from:
/// - There is none: it is created.
/// - It came from an earlier message: it is replaced, as long as it is still the same object. If it has the same bytes,
///   and no other version came in between, it stays.
/// - It came from this message: an attempt that was interrupted has stored it.
/// - It came from a later message: it stays, and this version has its row all the same.
///
/// So a consumer that was stopped in the middle of this for an hour changes nothing when it continues.
struct ImageUpload {
  enum Outcome: Equatable {
    case stored(isReplacement: Bool)
    case unchanged
  }

  private enum State {
    case create
    case look
    case replace(ImageObject)
    case done
    case refused(ImageName.Refusal)
  }

  /// The versions in the order of their messages. `keep-both` has each in an upload of its own.
  let versions: [ImageObject.Version]
  /// The names to try, in this order. Only the last one is replaced.
  private var names: [ImageName]
  private let layout: BucketLayout
  private let body: TransferBody
  private let type: String
  /// Messages of the images' partition below this offset are in the log.
  private let committed: Int64

  private var state: State
  private var looks = 0
  private var misses = 0
  private var found: ImageObject?

  /// How often others may change the object, and how often it may exist and not exist.
  private static let mostLooks = 8
  private static let mostMisses = 3
  /// Sending this many bytes for nothing takes about as long as some requests.
  private static let mostUnseen = 16 << 20

  init(
    _ names: [ImageName], _ versions: [ImageObject.Version], _ body: TransferBody, type: String, committed: Int64,
    _ layout: BucketLayout
  ) {
    self.names = names
    self.versions = versions
    self.body = body
    self.type = type
    self.committed = committed
    self.layout = layout
    state = body.count > Self.mostUnseen ? .look : .create
  }

  var name: ImageName { names[0] }
  var isOver: Bool { if case .done = state { true } else { refusal != nil } }
  var refusal: ImageName.Refusal? { if case .refused(let refusal) = state { refusal } else { nil } }
  private var newest: ImageObject.Version { versions[versions.count - 1] }

  // MARK: Requests

  /// The next request; nil when the upload is over.
  func next() -> S3Request? {
    switch state {
    case .create: put(if: .isAbsent, over: nil)
    case .look: ImageObject.look(at: layout.image(name))
    case .replace(let object): put(if: .isVersion(object.tag), over: object)
    case .done, .refused: nil
    }
  }

  private func put(if condition: S3Request.Condition, over object: ImageObject?) -> S3Request {
    var request = S3Request.put(
      layout.image(name), body, digest: newest.digest, type: type,
      metadata: ImageObject.metadata(newest, history: history(over: object)), if: condition)
    if case .isVersion = condition {
      // Somebody may have removed the object meanwhile.
      request.accepted.insert(404)
    }
    return request
  }

  /// The versions before the newest one that a consumer has to know if it stores some of them again after a crash: then
  /// the object is newer than they are, and does not show what they replaced.
  private func history(over object: ImageObject?) -> [ImageObject.Version] {
    var all: [ImageObject.Version] = []
    if let object, let version = object.version {
      let isLogged = !version.origin.isOfPartition(newest.origin) || version.origin.offset < committed
      all = (isLogged ? [] : object.history) + [version]
    }
    let last = versions.count - 1
    return all + zip(versions, outcomes(object)).prefix(last).filter { $0.1 != .unchanged }.map(\.0)
  }

  // MARK: Answers

  mutating func received(_ response: S3Response) throws {
    switch (state, response.status) {
    case (.create, 412), (.replace, 412): try look()
    case (.replace, 404): state = .create
    case (.look, _):
      guard let object = ImageObject(response) else { return miss() }
      decide(object)
    case (.create, _): (found, state) = (nil, .done)
    case (.replace(let object), _): (found, state) = (object, .done)
    case (.done, _), (.refused, _): break
    }
  }

  /// The store refuses the key or the size of this object.
  mutating func refused(_ reason: String) {
    state = .refused(ImageName.Refusal(name: name.value, reason: reason))
  }

  private mutating func look() throws {
    state = .look
    looks += 1
    if looks > Self.mostLooks { throw UnstableObject(key: layout.image(name)) }
  }

  /// An object that could not be created because it exists does not exist.
  private mutating func miss() {
    if looks > 0 { misses += 1 }
    guard misses >= Self.mostMisses else {
      state = .create
      return
    }
    refused("the store takes it for a folder, because it has objects whose names begin with it and a slash")
  }

  /// This object has the newest version, or shows that it was there.
  mutating func resume(with object: ImageObject) { (found, state) = (object, .done) }

  private mutating func decide(_ object: ImageObject) {
    if names.count > 1, object.version?.digest != newest.digest {
      names.removeFirst()
      state = .create
      return
    }
    if object.isEarlier(than: newest.origin), outcomes(object).contains(where: { $0 != .unchanged }) {
      state = .replace(object)
    } else {
      (found, state) = (object, .done)
    }
  }

  // MARK: Outcomes

  /// What became of each version.
  var outcomes: [Outcome] { outcomes(found) }

  private func outcomes(_ object: ImageObject?) -> [Outcome] {
    var last = self.last(object)
    return versions.map { version in
      defer { last = .known(version.digest) }
      return switch last {
      case .nothing: .stored(isReplacement: false)
      case .unknown: .stored(isReplacement: true)
      case .known(let digest): digest == version.digest ? .unchanged : .stored(isReplacement: true)
      }
    }
  }

  private enum Last {
    case nothing
    case unknown
    case known(Digest)
  }

  /// The version that was stored before the first of these.
  private func last(_ object: ImageObject?) -> Last {
    guard let object else { return .nothing }
    let first = versions[0].origin
    if object.isEarlier(than: first) { return object.version.map { .known($0.digest) } ?? .unknown }
    if let version = object.version, !version.origin.isOfPartition(first) {
      // There is no order between partitions, so the same bytes are the same version.
      if version.digest == versions[0].digest { return .known(version.digest) }
    }
    guard !object.history.isEmpty else { return .nothing }
    return object.version(before: first).map { .known($0.digest) } ?? .unknown
  }
}

/// An object that others change faster than this consumer can read it.
struct UnstableObject: ClassifiedError, CustomStringConvertible {
  let key: String
  var disposition: Disposition { .transient }
  var description: String {
    "\(key) was changed by another program each time before it could be replaced. Keep other programs from writing into "
      + "PROCESSED_IMAGES_DIR"
  }
}
