// The record of sessions in a file (`[monitor] recovery_file`), by which the next pgleash finds what this one left
// running if it is killed.

import PostgresProtocol
import Reactor
import Settings

/// A session of a pgleash: its backend, and the two ends of its connection to the server.
struct RecordedSession: Equatable {
    let processID: UInt32
    let local: SocketAddress
    let server: SocketAddress

    var text: String { "\(processID) \(Self.text(local)) \(Self.text(server))" }

    init(processID: UInt32, local: SocketAddress, server: SocketAddress) {
        (self.processID, self.local, self.server) = (processID, local, server)
    }

    /// - Parameter text: as `text`.
    init?(_ text: String) {
        let words = text.split(separator: " ").map(String.init)
        guard words.count == 5, let processID = UInt32(words[0]), processID > 0,
            let local = Self.address(words[1], words[2]), let server = Self.address(words[3], words[4])
        else { return nil }
        self.init(processID: processID, local: local, server: server)
    }

    private static func text(_ address: SocketAddress) -> String { "\(address.numericHost) \(address.port ?? 0)" }

    private static func address(_ host: String, _ port: String) -> SocketAddress? {
        guard let port = UInt16(port), port > 0 else { return nil }
        return Endpoint(host: host, port: port).addressesOnHand.first { !$0.isUnix }
    }
}

/// The sessions of this process, in the file.
package final class SessionRecord: Sendable {
    private struct Places {
        var taken: [CancelKey: Int] = [:]
        var free: [Int] = []
    }

    static let title = "pgleash sessions 1"

    private let file: SlotFile
    private let places = Locked(Places())
    /// Those of the process that had the file before.
    let left: [RecordedSession]

    package init(path: String) throws(SlotFileError) {
        file = try SlotFile(path: path, title: Self.title)
        left = file.lines().compactMap { RecordedSession($0) }
        try file.removeAll()
        // They are left until they have ended, even if this process is killed before.
        for (index, session) in left.enumerated() { file.write(session.text, at: index) }
    }

    /// A session has its key. Over a Unix socket the server does not know which connection is whose.
    func enter(_ key: CancelKey, from local: SocketAddress?, to server: SocketAddress) {
        guard let local, !local.isUnix, !server.isUnix else { return }
        let session = RecordedSession(processID: key.processID, local: local, server: server)
        let place = places.withLock { places in
            let place = places.free.popLast() ?? left.count + places.taken.count
            places.taken[key] = place
            return place
        }
        file.write(session.text, at: place)
    }

    func leave(_ key: CancelKey) {
        let place = places.withLock { places in
            let place = places.taken.removeValue(forKey: key)
            if let place { places.free.append(place) }
            return place
        }
        if let place { file.write("", at: place) }
    }

    /// The left session with this index has ended.
    func forgetLeft(_ index: Int) { file.write("", at: index) }
}

extension Configuration {
    /// - Returns: nil without `recovery_file`.
    /// - Throws: `StartError` where it can't be used.
    func openRecord() throws(StartError) -> SessionRecord? {
        guard let path = monitor.recoveryFile else { return nil }
        do throws(SlotFileError) {
            return try SessionRecord(path: path)
        } catch {
            let key = naming("recovery_file", in: "monitor")
            throw StartError(description: "\(key): could not use \"\(path)\": \(error)")
        }
    }
}
