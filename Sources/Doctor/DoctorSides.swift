/// Which of the two sides a doctor looks at: a container sees the folders of its own side alone.
package struct DoctorSides: Equatable, Sendable {
  var producer: Bool
  var consumer: Bool

  package init(producer: Bool, consumer: Bool) {
    self.producer = producer
    self.consumer = consumer
  }
}
