import Output
import Platform
import S3

/// Carries out uploads at the same time. Those of one list follow one another.
struct UploadRounds {
  let client: any S3Requests

  /// - Parameter whileWaiting: called periodically; throws to give up.
  /// - Returns: the same uploads, all of them finished.
  /// - Throws: the first error that is not the fault of one object.
  func run(_ lists: [[ImageUpload]], whileWaiting: () throws -> Void = {}) throws -> [[ImageUpload]] {
    var lists = lists
    while true {
      var places: [(list: Int, upload: Int)] = []
      var requests: [S3Request] = []
      for list in lists.indices {
        guard let upload = lists[list].firstIndex(where: { !$0.isOver }), let request = lists[list][upload].next()
        else { continue }
        places.append((list, upload))
        requests.append(request)
      }
      if requests.isEmpty { return lists }
      for (place, answer) in zip(places, try client.perform(requests, whileWaiting: whileWaiting)) {
        do { try lists[place.list][place.upload].received(answer.get()) } catch let error as S3Error {
          guard error.disposition == .badInput else { throw error }
          lists[place.list][place.upload].refused("the store refuses it: \(error.name)")
        }
      }
    }
  }
}
