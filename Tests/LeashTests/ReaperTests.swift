// The reaper as a table of events and actions, with made-up times.

import Reactor
import Testing

@testable import Leash

private func at(_ milliseconds: Int) -> MonotonicTime {
    MonotonicTime(nanoseconds: 1_000_000_000).advanced(by: .milliseconds(milliseconds))
}

private func newReaper(timeout: Duration = .seconds(30)) -> Reaper {
    Reaper(droppedAt: at(0), timeout: timeout)
}

@Suite("The reaper")
struct ReaperTests {
    @Test("It cancels at once")
    func begins() {
        var reaper = newReaper()
        #expect(reaper.begin() == .cancel)
    }

    @Test("An answer to all that is owed after a cancel was sent: cancelled")
    func cancelled() {
        var reaper = newReaper()
        _ = reaper.begin()
        #expect(reaper.cancelConcluded(.sent, at: at(1)) == .wake(at: at(26)))
        #expect(reaper.serverAnswered(isBusy: false, at: at(2)) == .end(.cancelled))
        #expect(reaper.stoppedAt == at(2))
    }

    @Test("The answer crosses the cancel: its conclusion is waited for, so that the backend outlives it")
    func answerCrossesCancel() {
        var reaper = newReaper()
        _ = reaper.begin()
        #expect(reaper.serverAnswered(isBusy: false, at: at(2)) == .withdrawCancel)
        #expect(reaper.cancelConcluded(.sent, at: at(3)) == .end(.cancelled))
        #expect(reaper.stoppedAt == at(2), "the time that counts is the answer's")
    }

    @Test("The answer comes while the cancel still waits for its turn: finished, and none is sent")
    func finished() {
        var reaper = newReaper()
        _ = reaper.begin()
        #expect(reaper.serverAnswered(isBusy: false, at: at(2)) == .withdrawCancel)
        #expect(reaper.cancelConcluded(.withdrawn, at: at(2)) == .end(.finished))
    }

    @Test("Without an answer it tries again after 25, 50, 100 ms and so on, up to 1 s, and ends its half once")
    func backsOff() {
        var reaper = newReaper()
        _ = reaper.begin()
        var now = 0
        for (index, pause) in [25, 50, 100, 200, 400, 800, 1000, 1000].enumerated() {
            #expect(reaper.cancelConcluded(.sent, at: at(now)) == .wake(at: at(now + pause)))
            now += pause
            if index == 0 {
                #expect(reaper.timePassed(at: at(now)) == .shutdownSending(wakeAt: at(now + 5)))
                now += 5
            }
            #expect(reaper.timePassed(at: at(now)) == .cancel)
        }
        #expect(reaper.cancelsSent == 8)
    }

    @Test("A cancel that was not sent is tried again, and our half stays open until one was")
    func notSent() {
        var reaper = newReaper()
        _ = reaper.begin()
        #expect(reaper.cancelConcluded(.notSent, at: at(0)) == .wake(at: at(25)))
        #expect(reaper.timePassed(at: at(25)) == .cancel)
        #expect(reaper.cancelConcluded(.sent, at: at(30)) == .wake(at: at(80)))
        #expect(reaper.timePassed(at: at(80)) == .shutdownSending(wakeAt: at(85)))
    }

    @Test("An answer with more owed behind it brings the next cancel soon")
    func pipeline() {
        var reaper = newReaper()
        _ = reaper.begin()
        _ = reaper.cancelConcluded(.sent, at: at(0))
        #expect(reaper.serverAnswered(isBusy: true, at: at(5)) == .wake(at: at(7)))
        #expect(reaper.timePassed(at: at(7)) == .shutdownSending(wakeAt: at(12)))
        #expect(reaper.timePassed(at: at(12)) == .cancel)
    }

    @Test("The same while a cancel is under way: soon after its conclusion")
    func pipelineWhileCancelling() {
        var reaper = newReaper()
        _ = reaper.begin()
        #expect(reaper.serverAnswered(isBusy: true, at: at(1)) == .none)
        #expect(reaper.cancelConcluded(.sent, at: at(2)) == .wake(at: at(4)))
    }

    @Test("A wake-up that comes early asks to be woken again")
    func earlyWakeup() {
        var reaper = newReaper()
        _ = reaper.begin()
        _ = reaper.cancelConcluded(.sent, at: at(0))
        #expect(reaper.timePassed(at: at(24)) == .wake(at: at(25)))
    }

    @Test("At the deadline it gives up, whatever it is doing")
    func givesUp() {
        var reaper = newReaper(timeout: .seconds(1))
        _ = reaper.begin()
        #expect(reaper.wakeTime == at(1000))
        #expect(reaper.timePassed(at: at(1000)) == .end(.gaveUp))
    }

    @Test("The server closes: over, and told apart from an answer that came before")
    func serverCloses() {
        var reaper = newReaper()
        _ = reaper.begin()
        #expect(reaper.serverClosed() == .end(.serverClosed))
        #expect(reaper.serverAnswered(isBusy: false, at: at(1)) == .withdrawCancel)
        #expect(reaper.serverClosed() == .end(.cancelled), "the cancel was too far on its way to be withdrawn")
    }
}
