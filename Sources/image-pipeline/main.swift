import Cluster
import Configuration
import Glibc
import Platform
import Telemetry

func fail(_ message: String, code: Int32) -> Never {
  Terminal.write("image-pipeline: " + message + "\n", to: 2)
  exit(code)
}

// One thread allocates messages and another one frees them.
MemoryPools.limit(to: 2)
// A consumer has many files open that have no names yet.
ProcessLimits.raiseOpenFiles(to: 8_192)

let stop = StopFlag()
Signals.stop(on: stop) {
  Terminal.write("image-pipeline: stopped immediately; acknowledged images are safe\n", to: 2)
  _exit(130)
}

do {
  switch try Options.parse(Array(CommandLine.arguments.dropFirst())) {
  case .help: print(Help.full, terminator: "")
  case .version: print(Help.version)
  case .run(let options):
    let configuration = try EnvironmentReader.read(ProcessEnvironment.read())
    let log = Log(level: configuration.logLevel, format: configuration.logFormat, component: options.command.rawValue)
    let commands = Commands(configuration: configuration, options: options, log: log, stop: stop)
    do { exit(try commands.run()) } catch let error as UsageError {
      throw error
    } catch let error as ConfigurationError {
      throw error
    } catch {
      log.setLiveLine(nil)
      log.error(event: "program_failed", KafkaErrorFix.described(error), ["error": .name(of: error)])
      exit(1)
    }
  }
} catch let error as UsageError {
  fail("\(error)\n\(Help.usage)", code: 2)
} catch let error as ConfigurationError {
  fail(error.problems.joined(separator: "\nimage-pipeline: "), code: 2)
} catch {
  fail(KafkaErrorFix.described(error), code: 1)
}
