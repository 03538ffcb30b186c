import Glibc
import Platform

package struct HTTPServerError: NamedError, CustomStringConvertible {
  let address: String
  let port: Int
  /// The variable that has the port.
  let variable: String
  /// The `errno`; 0 if the address is none of this machine.
  let code: Int32

  package var name: String { SystemError("listen on", address, code: code == 0 ? EADDRNOTAVAIL : code).name }

  package var description: String {
    let (reason, fix) =
      switch code {
      case EADDRINUSE: (words, "another program uses this port: set another \(variable)")
      case EACCES: (words, "set \(variable) to a port above 1023")
      case EMFILE: (words, "raise the limit of open files (ulimit -n)")
      // The resolver's error is not an errno.
      case 0: ("not an address of this machine", Self.addresses)
      default: (words, Self.addresses)
      }
    return "cannot listen on \(address):\(port) (\(reason)): \(fix)"
  }

  private static let addresses =
    "set HTTP_ADDRESS to an address of this machine: 0.0.0.0 or :: for all, 127.0.0.1 for this machine only"

  private var words: String {
    String(cString: strerror(code))
  }
}
