/// What happens to a file once it is sent: the broker has acknowledged it, and the ledger has recorded it.
package enum AfterSentAction: String, Sendable, CaseIterable {
  case keep, move, delete
}
