import Crdkafka
import Platform

/// A broker, with the address that it gives to clients: its `advertised.listeners`.
package struct KafkaBroker: Sendable, Equatable {
  package let id: Int32
  package let host: String
  package let port: Int
}

/// The partitions of a topic and the brokers that hold them.
package struct TopicDescription: Sendable, Equatable {
  package struct Partition: Sendable, Equatable {
    package let number: Int32
    /// The broker that leads the partition; nil if there is none at the moment: the partition can be neither written
    /// nor read.
    package let leader: Int32?
    /// The ids of the brokers that should hold the partition.
    package let replicas: [Int32]
    /// The ids of those replicas that hold all of it.
    package let inSync: [Int32]
  }

  /// Sorted by number.
  package let partitions: [Partition]
}

/// Information about the cluster, from its brokers. These calls change nothing, except that asking for a topic may
/// create it: see `partitionCount(of:timeout:)`.
extension KafkaClient {
  /// The brokers of the cluster, sorted by id.
  package final func brokers(timeout: Duration) throws(KafkaError) -> [KafkaBroker] {
    let handle = try handle(for: "the brokers")
    var answer: UnsafePointer<rd_kafka_metadata>?
    let code = rd_kafka_metadata(handle.client, 0, nil, &answer, Int32(clamping: timeout.inMilliseconds))
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let answer else { throw handle.error(code, "the brokers") }
    defer { rd_kafka_metadata_destroy(answer) }
    let found = UnsafeBufferPointer(start: answer.pointee.brokers, count: Int(answer.pointee.broker_cnt))
    return found.map { KafkaBroker(id: $0.id, host: $0.host.map { String(cString: $0) } ?? "", port: Int($0.port)) }
      .sorted { $0.id < $1.id }
  }

  /// The partitions of a topic and the brokers that hold them; nil if the topic does not exist.
  package final func description(of topic: String, timeout: Duration) throws(KafkaError) -> TopicDescription? {
    let handle = try handle(for: place(topic))
    return try handle.metadata(of: topic, deadline: Deadline(in: timeout))?.description
  }

  /// A member of a group, as reported by its coordinator.
  package struct GroupMember: Sendable, Equatable {
    /// Created by the coordinator. For a static member, it consists of its `group.instance.id` and a UUID.
    package let id: String
    /// The client's `client.id`.
    package let clientID: String
    /// The address from which the member connects.
    package let host: String
  }

  /// The current members of a group; empty if the group does not exist or this user may not see it.
  ///
  /// This does not use `rd_kafka_DescribeConsumerGroups`: if a broker does not support that request, the implementation
  /// of librdkafka 2.0.2 leaves the client's main thread stuck.
  ///
  /// Temporary errors are retried until the timeout: a broker that has just started is still loading its groups.
  package final func members(ofGroup group: String, timeout: Duration) throws(KafkaError) -> [GroupMember] {
    let deadline = Deadline(in: timeout)
    while true {
      do { return try members(ofGroup: group, deadline) } catch {
        guard error.disposition == .transient, !deadline.hasPassed else { throw error }
        deadline.pause(for: .milliseconds(50))
      }
    }
  }

  private func members(ofGroup group: String, _ deadline: Deadline) throws(KafkaError) -> [GroupMember] {
    let place = "group \(group)"
    let handle = try handle(for: place)
    var found: UnsafePointer<rd_kafka_group_list>?
    let code = rd_kafka_list_groups(handle.client, group, &found, deadline.milliseconds())
    defer { if let found { rd_kafka_group_list_destroy(found) } }
    guard code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR__PARTIAL, let found else {
      throw handle.error(code, place, needs: .describeGroup(group))
    }
    let groups = UnsafeBufferPointer(start: found.pointee.groups, count: Int(found.pointee.group_cnt))
    guard let one = groups.first else { return [] }
    guard one.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
      throw handle.error(one.err, place, needs: .describeGroup(group))
    }
    return UnsafeBufferPointer(start: one.members, count: Int(one.member_cnt)).map { member in
      // Java writes an address with a slash before it.
      let host = String(cString: member.client_host)
      return GroupMember(
        id: String(cString: member.member_id), clientID: String(cString: member.client_id),
        host: host.hasPrefix("/") ? String(host.dropFirst()) : host)
    }
  }
}

extension rd_kafka_metadata_partition {
  var description: TopicDescription.Partition {
    TopicDescription.Partition(
      number: id, leader: leader >= 0 ? leader : nil,
      replicas: Array(UnsafeBufferPointer(start: replicas, count: Int(replica_cnt))),
      inSync: Array(UnsafeBufferPointer(start: isrs, count: Int(isr_cnt))))
  }
}
