// The close of server connections when many clients leave at once: their backends are kept until all are cancelled, and
// then closed one after another.

import Reactor

/// Server connections of sessions that are over, which wait to be closed.
///
/// A backend's exit costs the server more than the cancel that stopped it. After many drops at once the exits of
/// cancelled backends would take the processors from the cancels of those that still run.
final class BackendCloseQueue {
    /// The largest number of orphans that is not treated as a storm.
    private static let stormThreshold = 16
    /// The longest time in the queue, whatever the other orphans do: the backend occupies a connection of the server,
    /// and can hold advisory locks that other sessions wait for.
    private static let longestWait = Duration.seconds(1)
    private static let pause = Duration.milliseconds(1)

    /// The state of one address of the server.
    private struct Place {
        /// The number of sessions that are still being cancelled.
        var orphans = 0
        /// The connections that are not closed yet, oldest first.
        var waiting: [(server: any StreamSocket, lastMessage: [UInt8], since: MonotonicTime)] = []
    }

    private let loop: any EventLoop
    /// The addresses with orphans or waiting connections. A storm at one address does not affect another.
    private var places: [SocketAddress: Place] = [:]
    private var timer: (any ScheduledTimer)?

    init(loop: any EventLoop) {
        self.loop = loop
    }

    /// A session with a server at `address` is being cancelled; `orphanEnded` follows.
    func orphanBegan(at address: SocketAddress) {
        places[address, default: Place()].orphans += 1
    }

    func orphanEnded(at address: SocketAddress) {
        places[address]?.orphans -= 1
        removeIfEmpty(address)
    }

    /// Closes `server`, now or later. It reports nothing to its owner any more.
    ///
    /// - Parameter lastMessage: sent before the close.
    func enqueue(_ server: any StreamSocket, at address: SocketAddress, lastMessage: [UInt8]) {
        guard let place = places[address], place.orphans > Self.stormThreshold || !place.waiting.isEmpty else {
            return close(server, lastMessage: lastMessage)
        }
        server.owner = nil
        server.interest = []
        places[address]?.waiting.append((server, lastMessage, loop.now))
        if timer == nil { scheduleCheck() }
    }

    private func scheduleCheck() {
        timer = loop.schedule(after: Self.pause) { [unowned self] in
            timer = nil
            for address in places.keys { closeSome(at: address) }
            if places.contains(where: { !$0.value.waiting.isEmpty }) { scheduleCheck() }
        }
    }

    /// Closes one connection, or more where one at a time would exceed the longest wait.
    private func closeSome(at address: SocketAddress) {
        guard let place = places[address], let first = place.waiting.first else { return }
        guard place.orphans <= Self.stormThreshold || loop.now.since(first.since) >= Self.longestWait else { return }
        let count = 1 + place.waiting.count / 500
        for backend in place.waiting.prefix(count) {
            close(backend.server, lastMessage: backend.lastMessage)
        }
        places[address]?.waiting.removeFirst(count)
        removeIfEmpty(address)
    }

    private func removeIfEmpty(_ address: SocketAddress) {
        if let place = places[address], place.orphans == 0, place.waiting.isEmpty { places[address] = nil }
    }

    private func close(_ server: any StreamSocket, lastMessage: [UInt8]) {
        if !lastMessage.isEmpty { _ = server.send(lastMessage) }
        server.close()
    }
}
