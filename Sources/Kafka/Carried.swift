/// Carries a pointer of the library, whose functions are thread-safe, to another thread.
struct Carried<Value>: @unchecked Sendable {
  let value: Value
}
