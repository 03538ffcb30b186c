import Glibc

// fuzz TARGET [libFuzzer's arguments]. SwiftPM requires a main of our own, so libFuzzer is called as a library.
guard CommandLine.arguments.count > 1, Target.all[CommandLine.arguments[1]] != nil else {
  print("usage: fuzz \(Target.all.keys.sorted().joined(separator: "|")) [arguments of libFuzzer]")
  exit(2)
}
setenv(Target.variable, CommandLine.arguments[1], 1)
var arguments = ([CommandLine.arguments[0]] + CommandLine.arguments.dropFirst(2)).map { strdup($0) } + [nil]
var count = Int32(arguments.count - 1)
arguments.withUnsafeMutableBufferPointer { buffer in
  var base = buffer.baseAddress
  exit(runDriver(&count, &base, { fuzzOneInput($0, $1) }))
}

@_silgen_name("LLVMFuzzerRunDriver")
func runDriver(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
  _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32
