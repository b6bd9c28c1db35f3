// A pooler between pgleash and the fake server, like PgBouncer in transaction mode. It reads its client's messages
// while the server runs, and ends the session at the client's end and discards the cancel key; a request may wait for a
// server, and cancels are lost meanwhile; and it may end the session and leave its statement running.

import Simulation
import TestSupport

extension FakeBackend {
    private static let timedOut = message("E", Array("SFATAL\0C08P01\0Mquery_timeout\0\0".utf8))

    /// The client's end, while a statement runs, ends only the session.
    func lookForClientsEnd() {
        guard world.hasPooler, runsUnheeding, clientLeaves else { return }
        world.facts.orphans.append((self, "was forgotten"))
        forget()
    }

    /// As at `query_timeout`: it sends its client an error, and does not end the statement.
    func leaveBehind() {
        socket.inbox += Self.timedOut
        said += Self.timedOut
        forget()
    }

    private func forget() {
        world.trace("the pooler forgets backend \(number)")
        (isForgotten, isSevered, diesAt) = (true, true, never)
        socket.isEnded = true
        poke()
    }

    private var clientLeaves: Bool {
        if socket.hasEndedSending { return true }
        var rest = (input + socket.outbox)[...]
        while rest.count >= 5, rest.first != UInt8(ascii: "X") {
            let length = 1 + rest.dropFirst().prefix(4).reduce(0) { $0 << 8 + Int($1) }
            guard length > 4, length <= rest.count else { return false }
            rest = rest.dropFirst(length)
        }
        return rest.count >= 5
    }

    /// Whether there is a server for the next request. The session has one until its transaction is over.
    ///
    /// - Returns: false when it must wait for one.
    func findServer() -> Bool {
        guard world.hasPooler, !hasServer, !input.isEmpty || socket.outboxCount > 0 else { return true }
        let time = serverComesAt ?? world.now + UInt64(world.chance.mishap(3) ? world.chance.below(300_000_000) : 0)
        serverComesAt = time
        guard world.now >= time else {
            sleep(until: time)
            return false
        }
        (hasServer, serverComesAt) = (true, nil)
        return true
    }
}
