/// Results that several threads write, each to its own slots.
package final class ResultSlots<Element: Sendable>: @unchecked Sendable {
  private let slots: UnsafeMutableBufferPointer<Element?>

  package init(count: Int) {
    slots = .allocate(capacity: count)
    slots.initialize(repeating: nil)
  }

  package subscript(_ index: Int) -> Element {
    get { slots[index]! }
    set { slots[index] = newValue }
  }

  package var all: [Element] { slots.map { $0! } }

  deinit {
    slots.deinitialize()
    slots.deallocate()
  }
}
