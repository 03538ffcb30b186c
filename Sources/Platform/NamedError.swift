/// An error with a name that does not change with its description: `ENOSPC`, `TOPIC_AUTHORIZATION_FAILED`.
package protocol NamedError: Error {
  var name: String { get }
}
