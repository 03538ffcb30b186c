import Platform

/// Chooses some of a stream of images, each with the same probability: a reservoir (Vitter, algorithm R).
struct ImageSample {
  private let size: Int
  private var seen = 0
  private(set) var images: [(name: String, digest: Digest)] = []

  init(size: Int) { self.size = size }

  mutating func add(_ name: String, _ digest: Digest) {
    seen += 1
    if images.count < size { return images.append((name, digest)) }
    guard size > 0 else { return }
    let place = Int.random(in: 0..<seen)
    if place < size { images[place] = (name, digest) }
  }
}
