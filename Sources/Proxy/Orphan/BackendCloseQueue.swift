// When many clients leave at once: their backends are kept until all are cancelled, and then leave one after another.

import Reactor

/// Server connections of sessions that are over, on their way to be closed.
///
/// A backend's exit takes the server longer than the cancel that stopped it. In a storm of drops the exits of those
/// that are cancelled already would take the processors from the cancels of those that still run.
final class BackendCloseQueue {
    /// So many may be under way to their end without this being a storm.
    private static let stormThreshold = 16
    /// When one has waited so long its turn has come, whatever the others do: its backend holds a place, and perhaps
    /// advisory locks others wait for.
    private static let longestWait = Duration.seconds(1)
    private static let pause = Duration.milliseconds(1)

    /// What is known of one address of the server.
    private struct Place {
        /// Sessions that are still being cancelled.
        var orphans = 0
        /// Those that are over and not closed yet, oldest first.
        var waiting: [(server: any StreamSocket, lastMessage: [UInt8], since: MonotonicTime)] = []
    }

    private let loop: any EventLoop
    /// Those where there is something to know. A storm at one is none at another.
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

    /// Closes `server`, now or when there is time for it. It tells nobody anything any more.
    ///
    /// - Parameter lastMessage: goes to it before.
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

    /// One at a time, or more where that would take longer than they may wait.
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
