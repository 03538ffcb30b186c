package import Kafka

/// A member of the consumers' group that does not store into this output. Images that it receives are missing here.
package struct GroupStranger: Equatable {
  package enum Kind: Equatable {
    /// A consumer of this product with another output, by that output's id.
    case otherOutput(String)
    /// A consumer whose output has this output's id although it is not one of this output's consumers: it uses a copy.
    case copy
    /// Any other client.
    case otherClient
  }

  let kind: Kind
  let member: KafkaClient.GroupMember

  /// What the member is, and on which host, so that people can find it.
  var description: String {
    let what =
      switch kind {
      case .otherOutput(let id): "\(member.clientID) of output \(id)"
      case .copy: "\(member.clientID) of a copy of this output"
      case .otherClient: member.clientID
      }
    return "\(what) at \(member.host)"
  }

  /// The members of a group that are strangers to an output.
  /// - Parameters:
  ///   - output: the output's id; nil if it is not known. Then the alphabetically first one of the members' output ids
  ///     counts as it.
  ///   - instance: this consumer's own `group.instance.id`, in whatever format; nil if it has none.
  ///   - isOurSlot: whether a consumer of this output holds the slot of that number.
  package static func among(
    _ members: [KafkaClient.GroupMember], output: String?, instance: String? = nil,
    isOurSlot: (Int) -> Bool = { _ in true }
  ) -> [GroupStranger] {
    let instances = members.map { ($0, ConsumerInstance(memberID: $0.id)) }
    let own = output ?? instances.compactMap { $0.1?.output }.min()
    return instances.compactMap { member, found in
      if let instance, member.id.hasPrefix(instance + "-") { return nil }
      guard let found else { return GroupStranger(kind: .otherClient, member: member) }
      if found.output != own { return GroupStranger(kind: .otherOutput(found.output), member: member) }
      return isOurSlot(found.slot) ? nil : GroupStranger(kind: .copy, member: member)
    }
  }

  private static let mostShown = 10

  /// Each description once, with its count.
  package static func listed(_ strangers: [GroupStranger]) -> String {
    let counts = Dictionary(grouping: strangers.map(\.description)) { $0 }.mapValues(\.count).sorted { $0.key < $1.key }
    return counts.prefix(mostShown).map { $0.value > 1 ? "\($0.value) times \($0.key)" : $0.key }.joined(
      separator: "; ")
      + (counts.count > mostShown ? "; ..." : "")
  }
}

/// The parts of a consumer's `group.instance.id`: `<output's id>-<slot>-<partitions of the topic>`.
struct ConsumerInstance: Equatable {
  let output: String
  let slot: Int
  let partitions: Int

  var id: String { "\(output)-\(slot)-\(partitions)" }

  init(output: String, slot: Int, partitions: Int) {
    self.output = output
    self.slot = slot
    self.partitions = partitions
  }

  /// - Parameter memberID: the instance id followed by a UUID, as the group's coordinator builds it.
  init?(memberID: String) {
    // The UUID's 36 characters and a dash.
    let parts = memberID.dropLast(37).split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 3, (1...16).contains(parts[0].count), parts[0].allSatisfy(\.isHexDigit),
      let slot = Int(parts[1]),
      let partitions = Int(parts[2])
    else { return nil }
    self.init(output: String(parts[0]), slot: slot, partitions: partitions)
  }
}
