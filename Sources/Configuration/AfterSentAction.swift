/// What becomes of a file once the broker and the ledger have it.
package enum AfterSentAction: String, Sendable, CaseIterable {
  case keep, move, delete
}
