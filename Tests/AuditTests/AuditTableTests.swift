import Testing

@testable import Audit

@Suite struct AuditTableTests {
  @Test("images without a partition count in the total only") func totalHasAll() {
    var table = AuditTable()
    table.add(.sent, partition: 2)
    table.add(.sent, partition: nil, 3)
    table.add(.sent, partition: -1)
    #expect(table.total[.sent] == 5 && table.partitions[2]?[.sent] == 1 && table.partitions.count == 1)
  }
}
