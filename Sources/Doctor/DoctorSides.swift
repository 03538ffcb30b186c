/// The sides that a doctor checks: a container sees only the folders of its own side.
package struct DoctorSides: Equatable, Sendable {
  var producer: Bool
  var consumer: Bool

  package init(producer: Bool, consumer: Bool) {
    self.producer = producer
    self.consumer = consumer
  }
}
