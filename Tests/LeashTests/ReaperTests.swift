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
        #expect(reaper.begin(at: at(0)) == .cancel)
    }

    @Test("An answer to all that is owed after a cancel was sent: cancelled")
    func cancelled() {
        var reaper = newReaper()
        _ = reaper.begin(at: at(0))
        #expect(reaper.cancelConcluded(.sent, at: at(1)) == .wake(at: at(3)))
        #expect(reaper.serverAnswered(isBusy: false, at: at(2)) == .end(.cancelled))
        #expect(reaper.stoppedAt == at(2))
    }

    @Test("The answer crosses the cancel: its conclusion is waited for, so that the backend outlives it")
    func answerCrossesCancel() {
        var reaper = newReaper()
        _ = reaper.begin(at: at(0))
        #expect(reaper.serverAnswered(isBusy: false, at: at(2)) == .withdrawCancel)
        #expect(reaper.cancelConcluded(.sent, at: at(3)) == .end(.cancelled))
        #expect(reaper.stoppedAt == at(2), "the time that counts is the answer's")
    }

    @Test("The answer comes while the cancel still waits for its turn: finished, and none is sent")
    func finished() {
        var reaper = newReaper()
        _ = reaper.begin(at: at(0))
        #expect(reaper.serverAnswered(isBusy: false, at: at(2)) == .withdrawCancel)
        #expect(reaper.cancelConcluded(.withdrawn, at: at(2)) == .end(.finished))
    }

    @Test("Without an answer it tries again: a few times soon, then with pauses that double up to 1 s")
    func backsOff() {
        var reaper = newReaper()
        _ = reaper.begin(at: at(0))
        var now = 0
        for pause in [2, 2, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000] {
            #expect(reaper.cancelConcluded(.sent, at: at(now)) == .wake(at: at(now + pause)))
            now += pause
            var next = reaper.timePassed(at: at(now))
            if next == .shutdownSending(wakeAt: at(now + 50)) {
                #expect(now == 34, "25 ms behind the first cancel")
                now += 50
                next = reaper.timePassed(at: at(now))
            }
            #expect(next == .cancel)
        }
        #expect(reaper.cancelsSent == 13)
    }

    @Test("A cancel that was not sent is tried again later, and our half stays open until one was")
    func notSent() {
        var reaper = newReaper()
        _ = reaper.begin(at: at(0))
        #expect(reaper.cancelConcluded(.notSent, at: at(0)) == .wake(at: at(25)))
        #expect(reaper.timePassed(at: at(25)) == .cancel)
        #expect(reaper.cancelConcluded(.notSent, at: at(30)) == .wake(at: at(80)))
        #expect(reaper.timePassed(at: at(80)) == .cancel)
        #expect(reaper.cancelConcluded(.sent, at: at(81)) == .wake(at: at(181)))
        #expect(reaper.timePassed(at: at(181)) == .shutdownSending(wakeAt: at(231)))
    }

    @Test("An answer with more owed behind it brings the next cancel at once")
    func pipeline() {
        var reaper = newReaper()
        _ = reaper.begin(at: at(0))
        _ = reaper.cancelConcluded(.sent, at: at(0))
        #expect(reaper.serverAnswered(isBusy: true, at: at(1)) == .cancel)
        #expect(reaper.cancelConcluded(.sent, at: at(5)) == .wake(at: at(7)))
    }

    @Test("While answers come our half of the stream stays open, however long it takes")
    func progress() {
        var reaper = newReaper()
        _ = reaper.begin(at: at(0))
        for time in stride(from: 10, to: 200, by: 10) {
            _ = reaper.cancelConcluded(.sent, at: at(time))
            #expect(reaper.timePassed(at: at(time + 2)) == .cancel)
            _ = reaper.cancelConcluded(.sent, at: at(time + 5))
            #expect(reaper.serverAnswered(isBusy: true, at: at(time + 6)) == .cancel)
        }
    }

    @Test("The same while a cancel is under way: at its conclusion")
    func pipelineWhileCancelling() {
        var reaper = newReaper()
        _ = reaper.begin(at: at(0))
        #expect(reaper.serverAnswered(isBusy: true, at: at(1)) == .none)
        #expect(reaper.cancelConcluded(.sent, at: at(2)) == .cancel)
    }

    @Test("A server that will wait for its client sees the end of the stream as soon as a cancel was sent")
    func endsItsHalfEarly() {
        var reaper = newReaper()
        _ = reaper.begin(at: at(0))
        #expect(
            reaper.cancelConcluded(.notSent, awaitsClient: true, at: at(1)) == .wake(at: at(26)), "not before one was"
        )
        _ = reaper.timePassed(at: at(26))
        let action = reaper.cancelConcluded(.sent, awaitsClient: true, at: at(28))
        #expect(action == .shutdownSending(wakeAt: at(78)))
        #expect(reaper.timePassed(at: at(78)) == .cancel)
        #expect(reaper.cancelConcluded(.sent, awaitsClient: true, at: at(80)) == .wake(at: at(130)), "once is enough")
    }

    @Test("With a grace nothing is cancelled before it is over, whatever is answered meanwhile")
    func grace() {
        var reaper = Reaper(droppedAt: at(0), timeout: .seconds(30), grace: .milliseconds(100))
        #expect(reaper.begin(at: at(0)) == .wake(at: at(100)))
        #expect(reaper.serverAnswered(isBusy: true, at: at(50)) == .wake(at: at(100)))
        #expect(reaper.timePassed(at: at(99)) == .wake(at: at(100)))
        var finished = reaper
        #expect(finished.serverAnswered(isBusy: false, at: at(99)) == .end(.finished))
        #expect(reaper.timePassed(at: at(100)) == .cancel)
    }

    @Test("A grace that is cut short is over at once, and only once")
    func graceCutShort() {
        var reaper = Reaper(droppedAt: at(0), timeout: .seconds(30), grace: .milliseconds(100))
        _ = reaper.begin(at: at(0))
        #expect(reaper.graceCutShort(at: at(50)) == .cancel)
        #expect(reaper.graceCutShort(at: at(51)) == .none)
        #expect(reaper.cancelConcluded(.sent, at: at(52)) == .wake(at: at(54)))

        var keyless = Reaper(droppedAt: at(0), timeout: .seconds(30), grace: .milliseconds(100))
        _ = keyless.beginWithoutKey()
        #expect(keyless.graceCutShort(at: at(50)) == .none)
        #expect(keyless.begin(at: at(60)) == .cancel)
    }

    @Test("A wake-up that comes early asks to be woken again")
    func earlyWakeup() {
        var reaper = newReaper()
        _ = reaper.begin(at: at(0))
        _ = reaper.cancelConcluded(.sent, at: at(0))
        #expect(reaper.timePassed(at: at(1)) == .wake(at: at(2)))
    }

    @Test("At the deadline it gives up, whatever it is doing")
    func givesUp() {
        var reaper = newReaper(timeout: .seconds(1))
        _ = reaper.begin(at: at(0))
        #expect(reaper.wakeTime == at(1000))
        #expect(reaper.timePassed(at: at(1000)) == .end(.gaveUp))
    }

    @Test("The server closes: over, and told apart from an answer that came before")
    func serverCloses() {
        var reaper = newReaper()
        _ = reaper.begin(at: at(0))
        #expect(reaper.serverClosed() == .end(.serverClosed))
        #expect(reaper.serverAnswered(isBusy: false, at: at(1)) == .withdrawCancel)
        #expect(reaper.serverClosed() == .end(.cancelled), "the cancel was too far on its way to be withdrawn")
    }
}
