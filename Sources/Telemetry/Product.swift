/// What the program reports about itself.
package enum Product {
  package static let version = "0.1.0"
}
