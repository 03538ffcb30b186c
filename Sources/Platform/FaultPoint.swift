#if DEBUG
  import Glibc
  import Synchronization
#endif

/// Named points in the programs at which a test can kill or stop the process. There is one at each step whose effects a
/// crash may leave behind.
///
/// `FAULT_POINT=imageRenamed` kills the process there, `FAULT_POINT=imageRenamed:3` kills it on the third visit, and
/// `FAULT_POINT=imageRenamed:1:stop` stops it until it is continued. Only debug builds support this.
package enum FaultPoint: String, CaseIterable, Sendable {
  // MARK: Consumer, in the order of a batch

  /// The bytes of an image or a segment are in a file that is not synced yet.
  case temporaryWritten
  /// All temporary files of the batch are synced.
  case temporariesSynced
  /// This process holds the catalog's lock, and the positions are as expected.
  case lockTaken
  /// An image has its final name.
  case imageRenamed
  /// A segment is in the catalog's transaction, and its image is still incomplete.
  case segmentRecorded
  /// An image assembled from segments has its final name.
  case imageAssembled
  /// All names of the batch are durable.
  case foldersSynced
  /// The CSV file contains its new rows, which are not synced yet.
  case rowsWritten
  case rowsSynced
  /// The transaction contains everything, including the positions, and is not committed yet.
  case positionsRecorded
  /// The transaction is committed, and Kafka does not know about it yet.
  case transactionCommitted
  /// The client has been asked to commit the offsets to Kafka.
  case offsetsCommitted

  // MARK: Consumer with a bucket, in the order of a batch

  /// The images of the batch are in the bucket, and the log does not have the batch.
  case imagesUploaded
  /// The notes of the batch are in the bucket, and the log does not have the batch.
  case notesWritten
  /// The log has the batch, and this consumer's catalog does not.
  case batchLogged

  // MARK: Consumer, occasional work

  /// Dead letters are safely delivered, and the catalog does not know it yet.
  case lettersDelivered
  /// A dead letter is on disk under its name, and the name is not durable yet.
  case letterWritten
  /// An image whose segments did not all arrive is forgotten, and its file still exists.
  case assemblyExpired
  /// The broker has acknowledged a receipt, and the catalog still has it.
  case receiptAcknowledged
  /// The receipts of a consumer that is gone are recorded as this one's, and none of them is sent yet.
  case receiptsAdopted
  /// A CSV file that is not ours has been renamed, and no new one exists yet.
  case csvMovedAside

  // MARK: Repair, and resending of dead letters

  /// The damaged catalog is renamed; the files that SQLite may keep next to it are not renamed yet.
  case catalogSetAside
  /// The new catalog contains everything that is known of the old one.
  case catalogRebuilt
  /// The topic contains the messages of the dead letters again, and nothing records it yet.
  case lettersSentBack

  // MARK: Producer, in the order of an image

  /// A segment, but not the last one, is handed to the client.
  case segmentHandedOver
  /// All of an image is handed to the client.
  case imageHandedOver
  /// The broker has acknowledged all of the image, and the ledger does not know it yet.
  case imageAcknowledged
  /// The ledger's transaction contains the image and is not committed yet.
  case ledgerWritten
  case ledgerCommitted
  /// The ledger has what receipts report, and no file is given back yet.
  case receiptsApplied
  /// The ledger has images as lost, and they are not sent again yet.
  case lossRecorded
  /// `AFTER_SENT` is about to handle the file, which is still the file that was sent.
  case sentFileChecked
  /// The file has a name of our own, and nothing else has been done with it.
  case sentFileSetAside
  /// `AFTER_SENT` has handled the file, and the ledger still lists it.
  case sentFileHandled

  #if DEBUG
    package func reached() {
      guard let request = Self.request, request.point == self else { return }
      guard Self.visits.add(1, ordering: .relaxed).newValue == request.visit else { return }
      // raise() signals this very thread. A signal to the process could be handled by another thread while this one
      // runs on.
      raise(request.signal)
    }

    private struct Request {
      let point: FaultPoint
      let visit: Int
      let signal: Int32

      /// A mistyped value must stop the test; otherwise the test would pass without any fault.
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
