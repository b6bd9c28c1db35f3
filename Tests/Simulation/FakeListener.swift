// The arrival of TCP connections at the fake server, where pgleash may request encryption first. The fake server does
// not support it, and answers in one of several ways. TLS itself is not simulated: after S the server closes.

import Reactor
import Simulation
import TestSupport

/// The first bytes on a connection.
final class FakeListener: Actor {
    /// The answer to an SSLRequest.
    enum Answer: String, CaseIterable {
        case refuses = "N"
        /// S, and then no TLS.
        case agrees = "S"
        case error = "E"
        case garbage = "?"
        case nothing, leaves, resets
    }

    private let socket: SimulatedSocket
    private let portion: ((Int) -> Int)?
    /// Hands the connection to a backend, after this number of bytes.
    private let admit: (Int) -> Actor
    private var isDone = false

    init(_ world: World, socket: SimulatedSocket, admit: @escaping (_ behind: Int) -> Actor) {
        (self.socket, self.admit) = (socket, admit)
        // Eight bytes always fit into a new connection.
        portion = socket.portion
        socket.portion = nil
        super.init(world)
        socket.peer = self
        wakeAt = world.now + world.chance.latency()
    }

    override func socketChanged(_ socket: SimulatedSocket) {
        guard !isDone else { return }
        guard socket.outboxCount == 0 || socket.outbox.starts(with: Frontend.sslRequest) else {
            return letIn(behind: 0)
        }
        poke()
    }

    override func step() {
        socket.isAnswered = true
        guard !isDone, socket.outboxCount > 0, !socket.isClosed else { return }
        _ = socket.takeOutbox(Frontend.sslRequest.count)
        let answer = world.chance.isRough && !world.chance.oneIn(3) ? world.chance.pick(Answer.allCases) : .refuses
        world.trace("an SSLRequest is answered: \(answer)")
        world.facts.sslAnswers.insert(answer)
        switch answer {
        case .refuses:
            socket.inbox += Array(answer.rawValue.utf8)
            letIn(behind: Frontend.sslRequest.count)
        case .agrees, .error, .garbage:
            socket.inbox += Array(answer.rawValue.utf8)
            socket.isEnded = world.chance.oneIn(2)
        case .nothing: break
        case .leaves: socket.isEnded = true
        case .resets: socket.error = SystemError(104)
        }
        isDone = true
    }

    private func letIn(behind count: Int) {
        isDone = true
        socket.portion = portion
        let actor = admit(count)
        world.join(actor)
        actor.socketChanged(socket)
    }
}
