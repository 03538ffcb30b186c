import Platform
import Telemetry

/// A trial file: it shows whether the creation of files is reported by events, which is how the producer quickly learns
/// of images.
struct Canary {
  let folder: Folder
  let stop: StopFlag
  /// The clock of the folder's file system minus this machine's, in ms; nil if no file was created here.
  private(set) var clockDifference: Int64?

  init(folder: Folder, stop: StopFlag) {
    self.folder = folder
    self.stop = stop
  }

  /// Hidden, so that the producer does not take it for an image.
  static let prefix = ".image-pipeline-canary-"

  enum Outcome: Equatable {
    /// An event reported the file this long after the watch began.
    case told(Duration)
    /// The file existed, but no event reported it.
    case silent
    /// No such file was seen.
    case absent
    case failed(SystemError)
  }

  private static let insidePatience = Duration.seconds(2)
  private static let outsidePatience = Duration.seconds(10)

  /// Creates a trial file in the folder, and removes it.
  mutating func inside() -> Outcome {
    let name = TrialFile.name(Self.prefix)
    defer { try? folder.remove(name) }
    var difference: Int64?
    let outcome = wait(Self.insidePatience) {
      let before = WallClock.milliseconds
      difference = FolderTrial.clockDifference(try folder.file(name, .createNew).status(), madeAfter: before)
    } isOne: {
      $0 == name
    }
    clockDifference = difference
    return outcome
  }

  /// Waits for a trial file that somebody creates outside of this container. The creator repeats it, because it is not
  /// known when this begins.
  func outside() -> Outcome {
    wait(Self.outsidePatience) {
    } isOne: {
      $0.hasPrefix(Self.prefix)
    }
  }

  private func wait(_ patience: Duration, make: () throws -> Void, isOne: (String) -> Bool) -> Outcome {
    do {
      let events = try FolderEvents()
      // The descriptor's own path is right even if something was mounted over the folder since.
      _ = try events.watch("/proc/self/fd/\(folder.descriptor)")
      let begun = MonotonicClock.now
      try make()
      var wasThere = false
      while !stop.isSet {
        let left = patience - (.now - begun)
        guard left > .zero else { break }
        let found = try events.next(timeout: min(.milliseconds(100), left))
        if found.contains(where: {
          [.closed, .movedIn].contains($0.kind) && isOne(String(decoding: $0.name, as: UTF8.self))
        }) {
          return .told(.now - begun)
        }
        wasThere = try wasThere || isThere(isOne)
      }
      return wasThere ? .silent : .absent
    } catch let error as SystemError { return .failed(error) } catch { return .absent }
  }

  /// Looks at the folder's first names. Hidden names are in no particular order.
  private func isThere(_ isOne: (String) -> Bool) throws -> Bool {
    let walker = try FolderWalker(root: folder.path) { _ in false }
    for _ in 0..<10_000 {
      guard let entry = walker.next() else { return false }
      if let name = try? entry.get().string, isOne(name) { return true }
    }
    return false
  }
}

/// What the outcomes of the trial files mean for how soon images are seen. Pure.
struct CanaryVerdict {
  var kind: FileSystemKind
  var rescan: Duration

  /// - Parameters:
  ///   - inside: the outcome for a file created by this process; nil if none could be created here.
  ///   - outside: the outcome for a file created outside; nil if nobody was asked to create one.
  func findings(inside: Canary.Outcome?, outside: Canary.Outcome?) -> [Finding] {
    [inside.flatMap(own), outside.map(foreign)].compactMap { $0 }
      + (inside == nil && outside == nil ? [expected] : [])
  }

  private var late: String { "only by scans, up to \(Quantity.duration(rescan)) late" }
  private var advice: String { "lower RESCAN_MS (now \(rescan.inMilliseconds)) if that delay matters" }

  private func own(_ outcome: Canary.Outcome) -> Finding? {
    switch outcome {
    case .told(let time):
      return .ok(
        "file_events",
        "a file created in it is reported at once (\(time.inMilliseconds) ms)\(kind.isShared ? ", by this host" : "")")
    case .silent, .absent:
      return .note("file_events", "a file created in it was not reported: images are found \(late)", advice)
    case .failed(let error):
      return .note("file_events", "no events: \(error.summary): images are found \(late)", error.cure ?? advice)
    }
  }

  private func foreign(_ outcome: Canary.Outcome) -> Finding {
    switch outcome {
    case .told: return .ok("file_events_outside", "a file created outside is reported here")
    case .silent:
      return .note(
        "file_events_outside", "files created outside are not reported here: images are found \(late)", advice)
    case .absent:
      return .note(
        "file_events_outside",
        "no file \(Canary.prefix)* that was created outside was found here",
        "create one while this runs (scripts/doctor.sh does); if one was created, another folder is mounted here: see "
          + "IMAGES_DIR in .env, and docker compose up -d again")
    case .failed(let error):
      return .note("file_events_outside", "no events: \(error.summary): images are found \(late)", error.cure ?? advice)
    }
  }

  /// The finding if nothing could be tried.
  private var expected: Finding {
    kind.isShared
      ? .note(
        "file_events", "\(kind.name) reports no files that another host creates: images are found \(late)", advice)
      : .ok("file_events", "\(kind.name) usually reports files at once; not tried: the folder is not writable here")
  }
}
