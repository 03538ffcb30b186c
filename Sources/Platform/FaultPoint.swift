#if DEBUG
  import Glibc
  import Synchronization
#endif

/// Named places on both sides' way at which a test makes the process die or stand still: one at each step whose effects
/// a crash may leave behind.
///
/// `FAULT_POINT=imageRenamed` kills the process there, `FAULT_POINT=imageRenamed:3` when it comes by for the third time,
/// `FAULT_POINT=imageRenamed:1:stop` stops it until it is told to go on. Debug builds alone know of it.
package enum FaultPoint: String, CaseIterable, Sendable {
  // MARK: The consumer's, in the order of a batch

  /// The bytes of an image or a segment are in a file that is not synced.
  case temporaryWritten
  /// All of the batch is.
  case temporariesSynced
  /// The catalog's lock is ours, and the positions are as expected.
  case lockTaken
  /// An image stands under its name.
  case imageRenamed
  /// A segment is in the catalog's transaction, and its image still incomplete.
  case segmentRecorded
  /// An image made of segments stands under its name.
  case imageAssembled
  /// All names of the batch are durable.
  case foldersSynced
  /// The CSV file has its new rows, not yet synced.
  case rowsWritten
  case rowsSynced
  /// All that the transaction holds is in it.
  case positionsRecorded
  /// The transaction is done, and Kafka knows nothing of it.
  case transactionCommitted
  /// The client has been told to tell Kafka.
  case offsetsCommitted

  // MARK: What a consumer does now and then

  /// Letters are safe, and the catalog knows nothing of it.
  case lettersDelivered
  /// A letter is on disk under its name, which is not yet durable.
  case letterWritten
  /// An image whose segments did not come is forgotten, and its file still there.
  case assemblyExpired
  /// A CSV file that is not ours has another name, and there is no new one.
  case csvMovedAside

  // MARK: Repair's, and those of letters that are sent back

  /// The damaged catalog has another name, and what SQLite may keep beside it not yet.
  case catalogSetAside
  /// The new one holds what is known of the old one.
  case catalogRebuilt
  /// The topic has the letters' messages again, and nobody remembers.
  case lettersSentBack

  // MARK: The producer's, in the order of an image

  /// A segment is handed to the client, and not the last one.
  case segmentHandedOver
  /// All of an image is handed to the client.
  case imageHandedOver
  /// The broker has acknowledged all of it, the ledger knows nothing.
  case imageAcknowledged
  /// The ledger's transaction holds it.
  case ledgerWritten
  case ledgerCommitted
  /// `AFTER_SENT` is about to be done with its file, which is still the one that was sent.
  case sentFileChecked
  /// That file has a name of our own, and nothing else has been done with it.
  case sentFileSetAside
  /// `AFTER_SENT` has been done with its file, which the ledger still has.
  case sentFileHandled

  #if DEBUG
    package func reached() {
      guard let request = Self.request, request.point == self else { return }
      guard Self.visits.add(1, ordering: .relaxed).newValue == request.visit else { return }
      // To this very thread: sent to the process, another thread may take it, and this one go on for a while.
      raise(request.signal)
    }

    private struct Request {
      let point: FaultPoint
      let visit: Int
      let signal: Int32

      /// A typing error must not make a test that survives everything.
      init(_ text: String) {
        let words = text.split(separator: ":", omittingEmptySubsequences: false).map { String($0) }
        guard let point = FaultPoint(rawValue: words[0]), let visit = words.count < 2 ? 1 : Int(words[1]),
          words.count < 3 || words[2] == "stop"
        else { fatalError("FAULT_POINT=\(text): a point's name is wanted, then :VISIT, then :stop") }
        self.point = point
        self.visit = visit
        signal = words.count < 3 ? SIGKILL : SIGSTOP
      }
    }

    private static let request = ProcessEnvironment.read()["FAULT_POINT"].map { Request($0) }
    private static let visits = Atomic(0)
  #else
    @inline(__always) package func reached() {}
  #endif
}
