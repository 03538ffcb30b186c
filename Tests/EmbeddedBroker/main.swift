import Glibc
import Kafka
import Platform

// librdkafka's embedded broker in a separate process, for tests that kill everything else. `EmbeddedBroker TOPIC
// PARTITIONS` prints its address and exits when its standard input closes, also if its parent dies.
let arguments = CommandLine.arguments
guard arguments.count == 3, let partitions = Int(arguments[2]) else {
  Terminal.write("usage: EmbeddedBroker TOPIC PARTITIONS\n", to: 2)
  exit(2)
}
do {
  let cluster = try EmbeddedCluster()
  try cluster.createTopic(arguments[1], partitions: partitions)
  Terminal.write(cluster.bootstrapServers + "\n", to: 1)
  withExtendedLifetime(cluster) {
    while getchar() != EOF {}
  }
} catch {
  Terminal.write("\(error)\n", to: 2)
  exit(1)
}
