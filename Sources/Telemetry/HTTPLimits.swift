/// The most that an HTTP server grants its clients.
package struct HTTPLimits: Sendable {
  /// Connections at once. One more takes the place of the connection that has waited longest for its next request.
  package var connections = 200
  /// Streams of events at once.
  package var streams = 64
  /// Bytes that a stream's client has not read. A client that reads too slowly loses its connection.
  package var streamBacklog = 256 << 10
  /// Bytes of a request.
  package var head = 8 << 10
  /// How long a connection may take for its next request, from the first byte to the last.
  package var request = Duration.seconds(10)
  /// Bytes of all responses in memory that wait for their clients. Files do not count.
  package var memory = 16 << 20
  /// How long a response may take, besides the time for its bytes at the slowest rate, and how long a client may read
  /// nothing.
  package var response = Duration.seconds(30)
  /// The slowest rate, in bytes a second.
  package var rate = 16 << 10
  /// The time between two signs of life in a stream.
  package var heartbeat = Duration.seconds(15)

  package init() {}
}
