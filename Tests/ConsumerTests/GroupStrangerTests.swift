import TestSupport
import Testing

@testable import Consumer
@testable import Kafka

/// Members of the consumer group that do not belong to the output.
@Suite struct GroupStrangerTests {
  private let uuid = "0f8fad5b-d9cb-469f-a165-70867728950e"

  private func member(_ instance: String, _ client: String = "image-pipeline", _ host: String = "10.0.0.1")
    -> KafkaClient.GroupMember
  {
    .init(id: instance + "-" + uuid, clientID: client, host: host)
  }

  private func kinds(
    _ members: [KafkaClient.GroupMember], output: String? = "a1b2", instance: String? = nil, held: Set<Int> = [1, 2]
  ) -> [GroupStranger.Kind] {
    GroupStranger.among(members, output: output, instance: instance) { held.contains($0) }.map(\.kind)
  }

  @Test("an instance id has output, slot and partitions; a member id adds a UUID")
  func instanceIDsAreRead() {
    let instance = ConsumerInstance(output: "a1b2", slot: 3, partitions: 12)
    #expect(instance.id == "a1b2-3-12")
    #expect(ConsumerInstance(memberID: instance.id + "-" + uuid) == instance)
    for other in [
      "rdkafka-" + uuid, uuid, "", "a1b2-3-" + uuid, "a1b2-3-x-" + uuid, "x-y-1-2-" + uuid, "you-1-2-" + uuid,
    ] {
      #expect(ConsumerInstance(memberID: other) == nil, "\(other)")
    }
  }

  @Test("consumers of the output are no strangers")
  func ownConsumersAreNoStrangers() { #expect(kinds([member("a1b2-1-6"), member("a1b2-2-6")]) == []) }

  @Test("consumers of another output, of a copy, and other clients are strangers")
  func othersAreStrangers() {
    let members = [
      member("a1b2-1-6"), member("c3d4-1-6"), member("a1b2-3-6"), member("rdkafka", "rdkafka", "10.0.0.2"),
    ]
    #expect(kinds(members) == [.otherOutput("c3d4"), .copy, .otherClient])
    let listed = GroupStranger.listed(GroupStranger.among(members + members, output: "a1b2") { $0 == 1 })
    #expect(
      listed == "2 times image-pipeline of a copy of this output at 10.0.0.1; 2 times image-pipeline of output c3d4 at "
        + "10.0.0.1; 2 times rdkafka at 10.0.0.2")
  }

  @Test("an instance id that the user has set is this consumer's own")
  func ownInstanceIsNoStranger() {
    #expect(kinds([member("mine"), member("yours")], instance: "mine") == [.otherClient])
  }

  @Test("members of an unknown output are taken for those of one output")
  func unknownOutputIsGuessed() {
    #expect(kinds([member("a1b2-1-6"), member("a1b2-2-6")], output: nil) == [])
    #expect(kinds([member("c3d4-1-6"), member("a1b2-2-6")], output: nil) == [.otherOutput("c3d4")])
  }

  @Test("a consumer fenced once rejoins soon; fenced again within a minute, it waits longer")
  func fencesBackOff() {
    var watch = FenceWatch()
    #expect(watch.fenced(at: moment(0)) == (.seconds(1), false))
    #expect(watch.fenced(at: moment(70_000)) == (.seconds(1), false))
    #expect(watch.fenced(at: moment(72_000)) == (.seconds(2), true))
    #expect(watch.fenced(at: moment(75_000)) == (.seconds(4), true))
    for second in 1...20 { _ = watch.fenced(at: moment(75_000 + second * 1_000)) }
    #expect(watch.fenced(at: moment(96_000)) == (.seconds(15), true))
    #expect(watch.fenced(at: moment(300_000)) == (.seconds(1), false))
  }
}
