internal import CCrypto

/// SHA-256 (FIPS 180-4), by libcrypto with the CPU's own instructions. A value: a copy goes its own way from where it
/// was made. libcrypto without SHA-256 (a broken OPENSSL_CONF) and no memory end the process.
public struct SHA256: Sendable {
  /// The version of libcrypto that runs: `3.0.15`.
  public static var libraryVersion: String { OpenSSL_version(OPENSSL_VERSION_STRING).map { String(cString: $0) } ?? "" }

  // OpenSSL 3 looks an algorithm up by name each time that one is not fetched, which costs more than a small image.
  nonisolated(unsafe) fileprivate static let algorithm: OpaquePointer = {
    guard let algorithm = EVP_MD_fetch(nil, "SHA256", nil) else {
      fatalError("libcrypto offers no SHA-256: check the providers that OPENSSL_CONF names")
    }
    return algorithm
  }()

  private var context: Context

  public init() {
    context = Context()
  }

  /// Adds bytes; any number of calls gives what one call with all of them gives.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    if !isKnownUniquelyReferenced(&context) { context = Context(copying: context) }
    guard let start = bytes.baseAddress else { return }
    Self.check(EVP_DigestUpdate(context.pointer, start, bytes.count))
  }

  /// The digest of all that was added. The value is as new afterwards.
  public mutating func finish() -> Digest {
    if !isKnownUniquelyReferenced(&context) { context = Context(copying: context) }
    let digest = Self.digest { EVP_DigestFinal_ex(context.pointer, $0, nil) }
    context.start()
    return digest
  }

  /// The digest of the bytes, in one call.
  public static func hash(_ bytes: UnsafeRawBufferPointer) -> Digest {
    digest { EVP_Digest(bytes.baseAddress, bytes.count, $0, nil, algorithm, nil) }
  }

  private static func digest(_ fill: (UnsafeMutablePointer<UInt8>?) -> CInt) -> Digest {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Digest.byteCount) { output in
      check(fill(output.baseAddress))
      return Digest(exactly: UnsafeRawBufferPointer(output))
    }
  }

  fileprivate static func check(_ result: CInt) {
    precondition(result == 1, "libcrypto cannot hash: out of memory")
  }
}

/// OpenSSL's context, freed with its owner. Unchecked: `SHA256` changes it only while it holds the one reference.
private final class Context: @unchecked Sendable {
  let pointer: OpaquePointer

  init() {
    pointer = EVP_MD_CTX_new()!
    start()
  }

  init(copying other: Context) {
    pointer = EVP_MD_CTX_new()!
    SHA256.check(EVP_MD_CTX_copy_ex(pointer, other.pointer))
  }

  deinit {
    EVP_MD_CTX_free(pointer)
  }

  func start() {
    SHA256.check(EVP_DigestInit_ex2(pointer, SHA256.algorithm, nil))
  }
}
