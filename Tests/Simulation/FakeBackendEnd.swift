// The end of a backend of the fake server, and of its connection.

import Reactor

extension FakeBackend {
    func exit(_ cause: ExitCause) {
        world.trace("backend \(number) exits: \(cause)")
        exitCause = cause
        isRunning = false
        if !output.isEmpty, !socket.isClosed, !isSevered {
            socket.inbox += output
            said += output
        }
        socket.isEnded = true
    }

    private func sever() {
        world.trace("backend \(number) is cut off")
        wasSeveredAlone =
            isRunning && !isCopying && !hasOpenBatch && !socket.isClosed && socket.error == nil && input.isEmpty
            && output.isEmpty && socket.outboxCount == 0 && socket.inbox.isEmpty
        (isSevered, diesAt) = (true, never)
        socket.error = SystemError(104)
        poke()
    }

    /// The monitor ends it.
    func terminate() {
        guard !hasExited else { return }
        say(Self.fatal)
        exit(.died)
    }

    /// As an administrator or a crash does.
    func die() {
        if world.hasPooler, runsUnheeding, output.isEmpty { return leaveBehind() }
        switch world.chance.below(4) {
        case 0:
            exit(.died)
            socket.error = SystemError(104)
        case 1:
            exit(.died)
        case 2: sever()
        default:
            say(Self.fatal)
            exit(.died)
        }
    }
}
