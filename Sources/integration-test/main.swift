import Glibc
import Platform

// Runs next to producer and consumer, with their folders and their broker, and asserts the round trip.

let usage = """
  usage: integration-test carry      drop images of every kind, wait, and assert that each arrived exactly
         integration-test restarts   the same while producer, consumer and broker are restarted: until the file
                                     IMAGES_DIR/.integration-test/restarted is made
         integration-test check      assert once more that everything is as it was dropped

  The folders are IMAGES_DIR (empty at first), PROCESSED_IMAGES_DIR and CSV_PATH, the broker KAFKA_BOOTSTRAP_SERVERS.
  Exit codes: 0 all assertions hold, 1 one does not, 2 the test could not be run.
  """

do {
  let parts = Parts(settings: try Settings(ProcessEnvironment.read()))
  switch CommandLine.arguments.dropFirst().first {
  case "carry": exit(try parts.carry())
  case "restarts": exit(try parts.restarts())
  case "check": exit(try parts.check())
  case "--help": print(usage)
  default:
    Terminal.write(usage + "\n", to: 2)
    exit(2)
  }
} catch {
  Terminal.write("integration-test: \(error)\n", to: 2)
  exit(2)
}
