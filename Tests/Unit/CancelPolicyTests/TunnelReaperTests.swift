// The reaping of a session that pgleash can't read: when the monitor is asked, and what follows from its answers.

import Testing

@testable import CancelPolicy

@Suite struct `A session that can't be read` {
    private let exit = TunnelReaper.exitTime

    private func asked(grace: Duration = .zero) -> TunnelReaper {
        var reaper = TunnelReaper(timeout: .seconds(30), grace: grace)
        #expect(reaper.timePassed(at: .zero) == .wake(at: max(exit, grace)))
        #expect(reaper.timePassed(at: max(exit, grace)) == .endBackend)
        #expect(reaper.wakeTime == .seconds(30), "the answer is awaited")
        return reaper
    }

    @Test func `was idle when its backend exits at the end of the stream`() {
        var reaper = TunnelReaper(timeout: .seconds(30), grace: .zero)
        #expect(reaper.serverClosed(at: .milliseconds(3)) == .leave && !reaper.isOrphan)
    }

    @Test func `was idle when the monitor sees nothing that runs`() {
        var reaper = asked()
        #expect(reaper.concluded(.notRunning, at: .milliseconds(6)) == .wake(at: .milliseconds(11)))
        #expect(reaper.serverClosed(at: .seconds(2)) == .leave && !reaper.isOrphan)
    }

    @Test func `is an orphan when its backend was ended, and again until it has exited`() {
        var reaper = asked()
        #expect(reaper.concluded(.sent, at: .milliseconds(6)) == .wake(at: .milliseconds(256)))
        #expect(reaper.isOrphan && reaper.signalsSent == 1)
        #expect(reaper.timePassed(at: .milliseconds(256)) == .endBackend)
        #expect(reaper.concluded(.sent, at: .milliseconds(257)) == .wake(at: .milliseconds(507)))
        #expect(reaper.serverClosed(at: .milliseconds(600)) == .end(.terminated))
    }

    @Test func `that begins a statement after the first look is found by the next`() {
        var reaper = asked()
        _ = reaper.concluded(.notRunning, at: .milliseconds(6))
        #expect(reaper.timePassed(at: .milliseconds(11)) == .endBackend)
        _ = reaper.concluded(.sent, at: .milliseconds(12))
        #expect(reaper.serverClosed(at: .milliseconds(600)) == .end(.terminated))
    }

    @Test func `whose backend exits before the monitor's answer is an orphan if it was ended`() {
        for (result, action) in [
            (Reaper.CancelResult.sent, TunnelReaper.Action.end(.terminated)), (.notRunning, .leave), (.notSent, .leave),
            (.notFound, .leave), (.leftAlone, .end(.finished)),
        ] {
            var reaper = asked()
            #expect(reaper.serverClosed(at: .milliseconds(6)) == .none)
            #expect(reaper.concluded(result, at: .milliseconds(6)) == action)
            #expect(reaper.isOrphan == (result == .sent || result == .leftAlone))
        }
        var unanswered = asked()
        #expect(unanswered.serverClosed(at: .milliseconds(6)) == .none)
        #expect(unanswered.timePassed(at: .seconds(30)) == .leave)
    }

    @Test func `that exits late was busy, unless the monitor saw that it was not`() {
        for result in [Reaper.CancelResult.notSent, .notFound] {
            var unseen = asked()
            _ = unseen.concluded(result, at: .milliseconds(6))
            #expect(unseen.serverClosed(at: .milliseconds(251)) == .end(.serverClosed) && unseen.isOrphan)
        }
    }

    @Test func `is left alone while it waits for a standby`() {
        var reaper = asked()
        _ = reaper.concluded(.leftAlone, at: .milliseconds(6))
        #expect(reaper.isOrphan && reaper.serverClosed(at: .seconds(1)) == .end(.finished))
    }

    @Test func `is left to run where it is excluded`() {
        var reaper = asked()
        #expect(reaper.concluded(.excluded, at: .milliseconds(6)) == .end(.excluded))
        #expect(reaper.isOrphan)
    }

    @Test func `has pauses between looks that grow up to a second`() {
        var reaper = asked()
        var (now, pauses) = (exit, [Duration]())
        for _ in 0..<10 {
            guard case .wake(let time) = reaper.concluded(.notSent, at: now) else { break }
            pauses.append(time - now)
            now = time
            #expect(reaper.timePassed(at: now) == .endBackend)
        }
        #expect(pauses == [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000].map { .milliseconds($0) })
    }

    @Test func `is given up at the deadline, and said to be out of reach where no monitor could look`() {
        var unseen = asked()
        _ = unseen.concluded(.notSent, at: .milliseconds(6))
        #expect(unseen.timePassed(at: .seconds(30)) == .end(.unreachable) && unseen.isOrphan)
        var seen = asked()
        _ = seen.concluded(.sent, at: .milliseconds(6))
        #expect(seen.timePassed(at: .seconds(30)) == .end(.gaveUp))
        var unanswered = asked()
        #expect(unanswered.timePassed(at: .seconds(30)) == .end(.unreachable))
        var idle = asked()
        _ = idle.concluded(.notRunning, at: .milliseconds(6))
        #expect(idle.timePassed(at: .seconds(30)) == .leave && !idle.isOrphan, "its server does not notice the end")
    }

    @Test func `has its grace, which a stop of pgleash ends`() {
        _ = asked(grace: .seconds(2))
        var reaper = TunnelReaper(timeout: .seconds(30), grace: .seconds(2))
        #expect(reaper.stop(at: .seconds(1)) == .wake(at: .seconds(1) + exit))
        #expect(reaper.timePassed(at: .seconds(1) + exit) == .endBackend)
        #expect(reaper.stop(at: .seconds(1) + exit) == .wake(at: .seconds(2)), "a second for the monitor's answer")
    }

    @Test func `holds up a stop only while something runs`() {
        var idle = TunnelReaper(timeout: .seconds(30), grace: .zero)
        #expect(idle.stop(at: .zero) == .wake(at: exit))
        #expect(idle.timePassed(at: exit) == .endBackend)
        #expect(idle.concluded(.notRunning, at: .milliseconds(6)) == .leave)
        var unseen = TunnelReaper(timeout: .seconds(30), grace: .zero)
        _ = unseen.stop(at: .zero)
        #expect(unseen.timePassed(at: .seconds(1)) == .end(.unreachable))
        var busy = asked()
        _ = busy.concluded(.sent, at: .milliseconds(6))
        #expect(busy.stop(at: .milliseconds(7)) == .wake(at: .milliseconds(12)), "its deadline is as before")
        #expect(busy.timePassed(at: .seconds(2)) == .endBackend)
    }

    @Test func `whose backend the monitor no longer sees is over`() {
        var reaper = asked()
        #expect(reaper.gone == .leave)
        _ = reaper.concluded(.leftAlone, at: .milliseconds(6))
        #expect(reaper.gone == .end(.finished))
        #expect(reaper.timePassed(at: .milliseconds(11)) == .endBackend)
        _ = reaper.concluded(.sent, at: .milliseconds(12))
        #expect(reaper.gone == .end(.terminated))
    }
}
