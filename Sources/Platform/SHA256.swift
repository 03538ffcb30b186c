internal import CCrypto

/// SHA-256 (FIPS 180-4), computed by libcrypto with the CPU's own instructions. It is a value: a copy continues
/// independently. The process stops if libcrypto lacks SHA-256 (a broken OPENSSL_CONF) or if there is no memory.
public struct SHA256: Sendable {
  /// The version of the loaded libcrypto: `3.0.15`.
  public static var libraryVersion: String { OpenSSL_version(OPENSSL_VERSION_STRING).map { String(cString: $0) } ?? "" }

  // Unless an algorithm is fetched once, OpenSSL 3 looks it up by name on each use, which costs more than a small
  // image.
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

  /// Adds bytes. Several calls give the same result as one call with all of the bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    if !isKnownUniquelyReferenced(&context) { context = Context(copying: context) }
    guard let start = bytes.baseAddress else { return }
    Self.check(EVP_DigestUpdate(context.pointer, start, bytes.count))
  }

  /// The digest of all bytes added so far. The value is reset afterwards.
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

/// OpenSSL's context, freed with its owner. `@unchecked` because `SHA256` changes it only while it holds the sole
/// reference.
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
