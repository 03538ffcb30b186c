package import Messaging
package import Platform
package import Wire

extension StoredRow {
  /// - Parameter name: the name that the image is stored under.
  package init(
    filePath: String, _ name: ImageName, _ digest: Digest, _ size: Int, _ probe: ImageProbe, _ message: any Message
  ) {
    self.init(
      filePath: filePath, label: name.label, digest: digest, size: size, format: probe.format, width: probe.width,
      height: probe.height, topic: message.topic, partition: message.partition, offset: message.offset,
      sentTime: message.timestamp, storedTime: WallClock.milliseconds)
  }

  /// The row of an image that is there and has none. No message is known.
  package init(
    restored name: ImageName, at path: String, _ digest: Digest, size: Int, _ probe: ImageProbe, storedTime: Int64
  ) {
    self.init(
      filePath: path, label: name.label, digest: digest, size: size, format: probe.format, width: probe.width,
      height: probe.height, topic: "", partition: -1, offset: -1, sentTime: nil, storedTime: storedTime)
  }
}
