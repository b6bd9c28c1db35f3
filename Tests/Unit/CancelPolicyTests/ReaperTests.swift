// The reaper as a table of events and actions, with invented times.

import Reactor
import Testing

@testable import CancelPolicy

private func at(_ milliseconds: Int) -> Duration { .milliseconds(milliseconds) }

private func newReaper(timeout: Duration = .seconds(30)) -> Reaper {
    Reaper(timeout: timeout)
}

/// A reaper that has sent its first cancel at 0.
private func cancelling(_ timing: CancelTiming = .atOnce) -> Reaper {
    var reaper = newReaper()
    _ = reaper.begin(.atOnce, at: at(0))
    _ = reaper.cancelConcluded(.sent, timing, at: at(0))
    return reaper
}

@Suite struct `The reaper` {
    @Test func `It cancels at once what nothing follows`() {
        var reaper = newReaper()
        #expect(reaper.begin(.atOnce, at: at(0)) == .cancel)
    }

    @Test func `An error, and replies to all requests, after a cancel was sent: cancelled`() {
        var reaper = newReaper()
        _ = reaper.begin(.atOnce, at: at(0))
        #expect(reaper.cancelConcluded(.sent, .atOnce, at: at(1)) == .wake(at: at(3)))
        reaper.serverFailed(isOfCancel: true)
        #expect(reaper.serverAnswered(isBusy: false, .atOnce, at: at(2)) == .end(.cancelled))
        #expect(reaper.stoppedAt == at(2))
    }

    @Test func `A change of the transaction status matters although it answers nothing`() {
        var waiting = newReaper()
        _ = waiting.begin(.never, at: at(0))
        #expect(waiting.retimed(.whenSlow, at: at(10)) == .wake(at: at(40)))
        #expect(waiting.retimed(.atOnce, at: at(20)) == .cancel)
        #expect(waiting.retimed(.whenSlow, at: at(21)) == .wake(at: at(30_000)), "the cancel is under way")
        #expect(waiting.retimed(.never, at: at(22)) == .withdrawCancel)
    }

    @Test func `The same without an error: it ended by itself`() {
        var reaper = cancelling()
        #expect(reaper.serverAnswered(isBusy: false, .atOnce, at: at(2)) == .end(.finished))
    }

    @Test func `An error that came before the first cancel is not its doing`() {
        var reaper = newReaper()
        _ = reaper.begin(.whenSlow, at: at(0))
        reaper.serverFailed(isOfCancel: true)
        #expect(reaper.serverAnswered(isBusy: false, .atOnce, at: at(2)) == .end(.finished))
    }

    @Test func `The answer crosses the cancel: its conclusion is waited for, so that the backend outlives it`() {
        var reaper = newReaper()
        _ = reaper.begin(.atOnce, at: at(0))
        #expect(reaper.serverAnswered(isBusy: false, .atOnce, at: at(2)) == .withdrawCancel)
        #expect(!reaper.hasCancelArrived)
        #expect(reaper.cancelConcluded(.sent, .atOnce, at: at(3)) == .end(.finished))
        #expect(reaper.stoppedAt == at(2), "the time that counts is the answer's")
    }

    @Test func `The error of a cancelled statement shows that the first cancel has arrived, and no later one`() {
        var reaper = newReaper()
        _ = reaper.begin(.atOnce, at: at(0))
        reaper.serverFailed(isOfCancel: true)
        #expect(reaper.serverAnswered(isBusy: false, .atOnce, at: at(2)) == .withdrawCancel)
        #expect(reaper.hasCancelArrived)
        #expect(reaper.cancelConcluded(.sent, .atOnce, at: at(2)) == .end(.cancelled))

        var other = newReaper()
        _ = other.begin(.atOnce, at: at(0))
        other.serverFailed(isOfCancel: false)
        #expect(!other.hasCancelArrived, "any error shows nothing")

        var second = cancelling()
        #expect(second.timePassed(.atOnce, at: at(2)) == .cancel)
        second.serverFailed(isOfCancel: true)
        #expect(!second.hasCancelArrived, "it may have been the first")

        var next = newReaper()
        _ = next.begin(.atOnce, at: at(0))
        next.serverFailed(isOfCancel: true)
        #expect(next.serverAnswered(isBusy: true, .atOnce, at: at(2)) == .withdrawCancel)
        #expect(next.cancelConcluded(.sent, .atOnce, at: at(2)) == .cancel)
        next.serverFailed(isOfCancel: true)
        #expect(next.serverAnswered(isBusy: false, .atOnce, at: at(3)) == .withdrawCancel)
        #expect(!next.hasCancelArrived, "the first cancel can have ended both requests")
    }

    @Test func `The answer comes while the cancel still waits for its turn: finished, and none is sent`() {
        var reaper = newReaper()
        _ = reaper.begin(.atOnce, at: at(0))
        #expect(reaper.serverAnswered(isBusy: false, .atOnce, at: at(2)) == .withdrawCancel)
        #expect(reaper.cancelConcluded(.withdrawn, .atOnce, at: at(2)) == .end(.finished))
    }

    @Test func `Without an answer it tries again: a few times soon, then with pauses that double up to 1 s`() {
        var reaper = newReaper()
        _ = reaper.begin(.atOnce, at: at(0))
        var now = 0
        for pause in [2, 2, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000] {
            let action = reaper.cancelConcluded(.sent, .atOnce, at: at(now))
            now += pause
            // The probes are in between: 250 ms and 2 s after the first cancel.
            if let probe = [258: 250, 2026: 2000][now] {
                #expect(action == .wake(at: at(probe)))
                #expect(reaper.timePassed(.atOnce, at: at(probe)) == .probe(wakeAt: at(now)))
            } else {
                #expect(action == .wake(at: at(now)))
            }
            #expect(reaper.timePassed(.atOnce, at: at(now)) == .cancel)
        }
        #expect(reaper.cancelsSent == 13)
    }

    @Test func `Orphans don't keep step with each other`() {
        let pauses = (UInt32(0)..<32).map { step in
            var reaper = Reaper(timeout: .seconds(30), step: step)
            _ = reaper.begin(.never, at: at(0))
            for _ in 0..<20 { _ = reaper.cancelConcluded(.sent, .never, at: at(0)) }
            for delay in 0...1100 where reaper.timePassed(.atOnce, at: at(delay)) == .cancel { return delay }
            return 0
        }
        #expect(Set(pauses).count == 32)
        #expect(pauses.allSatisfy { (752...1000).contains($0) })
    }

    @Test func `A cancel that was not sent is tried again later`() {
        var reaper = newReaper()
        _ = reaper.begin(.atOnce, at: at(0))
        #expect(reaper.cancelConcluded(.notSent, .atOnce, at: at(0)) == .wake(at: at(25)))
        #expect(reaper.timePassed(.atOnce, at: at(25)) == .cancel)
        #expect(reaper.cancelConcluded(.notSent, .atOnce, at: at(30)) == .wake(at: at(80)))
        #expect(reaper.timePassed(.atOnce, at: at(80)) == .cancel)
        #expect(reaper.cancelConcluded(.sent, .atOnce, at: at(81)) == .wake(at: at(181)))
    }

    @Test func `A reply after which only the last request is outstanding causes the next cancel at once`() {
        var reaper = cancelling(.whenSlow)
        #expect(reaper.serverAnswered(isBusy: true, .atOnce, at: at(1)) == .cancel)
        #expect(reaper.cancelConcluded(.sent, .atOnce, at: at(5)) == .wake(at: at(7)))
    }

    @Test(arguments: [(CancelTiming.whenSlow, 40), (.whenVerySlow, 1000)]
    )
    func `What others follow is cancelled when it is slow, each request anew`(timing: CancelTiming, delay: Int) {
        var reaper = newReaper()
        #expect(reaper.begin(timing, at: at(0)) == .wake(at: at(delay)))
        #expect(reaper.timePassed(timing, at: at(delay - 1)) == .wake(at: at(delay)))
        #expect(reaper.timePassed(timing, at: at(delay)) == .cancel)
        #expect(reaper.cancelConcluded(.sent, timing, at: at(delay + 1)) != .cancel)
        #expect(reaper.timePassed(timing, at: at(delay + delay)) != .cancel, "so long since the last cancel, too")
        #expect(reaper.serverAnswered(isBusy: true, timing, at: at(3000)) == .wake(at: at(3000 + delay)))
        #expect(reaper.timePassed(timing, at: at(3000 + delay)) == .cancel)
    }

    @Test func `What is never cancelled is waited for, until the next request or the deadline`() {
        var reaper = newReaper()
        #expect(reaper.begin(.never, at: at(0)) == .wake(at: at(30_000)))
        #expect(reaper.timePassed(.never, at: at(1000)) == .wake(at: at(30_000)))
        var waiting = reaper
        #expect(waiting.timePassed(.never, at: at(30_000)) == .end(.gaveUp))
        #expect(reaper.serverAnswered(isBusy: true, .atOnce, at: at(2000)) == .cancel)
    }

    @Test func `A cancel that would reach the next request is withdrawn, and one that may reach the last is not`() {
        for timing in [CancelTiming.never, .whenSlow, .whenVerySlow] {
            var reaper = newReaper()
            _ = reaper.begin(.atOnce, at: at(0))
            #expect(reaper.serverAnswered(isBusy: true, timing, at: at(1)) == .withdrawCancel)
            #expect(reaper.cancelConcluded(.withdrawn, timing, at: at(1)) != .cancel)
        }
        var reaper = newReaper()
        _ = reaper.begin(.atOnce, at: at(0))
        #expect(reaper.serverAnswered(isBusy: true, .atOnce, at: at(1)) == .none)
        #expect(reaper.cancelConcluded(.sent, .atOnce, at: at(2)) == .cancel)
    }

    @Test func `However fast answers come, cancels of a session have some time between them after the first eight`() {
        var reaper = newReaper()
        var action = reaper.begin(.atOnce, at: at(0))
        for time in 1...8 {
            #expect(action == .cancel)
            _ = reaper.cancelConcluded(.sent, .atOnce, at: at(time))
            action = reaper.serverAnswered(isBusy: true, .atOnce, at: at(time))
        }
        #expect(action == .wake(at: at(27)), "20 ms after the eighth was asked for")
    }

    @Test func `The server is probed when cancels have gone without an answer for 250 ms, and for 2 s`() {
        var reaper = cancelling(.whenVerySlow)
        #expect(reaper.timePassed(.whenVerySlow, at: at(249)) == .wake(at: at(250)))
        #expect(reaper.timePassed(.whenVerySlow, at: at(250)) == .probe(wakeAt: at(1000)))
        #expect(reaper.timePassed(.whenVerySlow, at: at(251)) == .wake(at: at(1000)))
        _ = reaper.timePassed(.whenVerySlow, at: at(1000))
        #expect(reaper.cancelConcluded(.sent, .never, at: at(1000)) == .wake(at: at(2000)))
        #expect(reaper.timePassed(.never, at: at(2000)) == .probe(wakeAt: at(30_000)))
        #expect(reaper.timePassed(.never, at: at(2001)) == .wake(at: at(30_000)))
    }

    @Test func `At the end of the stream the backend gets time to leave`() {
        var reaper = cancelling()
        reaper.streamEnded(at: at(1))
        #expect(reaper.timePassed(.atOnce, at: at(2)) == .wake(at: at(51)))
        #expect(reaper.timePassed(.atOnce, at: at(51)) == .cancel)
    }

    @Test func `With a grace nothing is cancelled before it is over, whatever is answered meanwhile`() {
        var reaper = Reaper(timeout: .seconds(30), grace: .milliseconds(100))
        #expect(reaper.begin(.atOnce, at: at(0)) == .wake(at: at(100)))
        #expect(reaper.serverAnswered(isBusy: true, .atOnce, at: at(50)) == .wake(at: at(100)))
        #expect(reaper.timePassed(.atOnce, at: at(99)) == .wake(at: at(100)))
        var finished = reaper
        #expect(finished.serverAnswered(isBusy: false, .never, at: at(99)) == .end(.finished))
        #expect(reaper.timePassed(.atOnce, at: at(100)) == .cancel)
    }

    @Test func `A grace that is cut short is over at once, and only once`() {
        var reaper = Reaper(timeout: .seconds(30), grace: .milliseconds(100))
        _ = reaper.begin(.atOnce, at: at(0))
        #expect(reaper.graceCutShort(at: at(50)) == .cancel)
        #expect(reaper.graceCutShort(at: at(51)) == .none)
        #expect(reaper.cancelConcluded(.sent, .atOnce, at: at(52)) == .wake(at: at(54)))

        var keyless = Reaper(timeout: .seconds(30), grace: .milliseconds(100))
        #expect(keyless.beginWithoutKey() == .wake(at: at(30_000)))
        #expect(keyless.graceCutShort(at: at(50)) == .none)
        #expect(keyless.begin(.atOnce, at: at(60)) == .cancel)
    }

    @Test func `A wake-up that comes early asks to be woken again`() {
        var reaper = cancelling()
        #expect(reaper.timePassed(.atOnce, at: at(1)) == .wake(at: at(2)))
    }

    @Test func `At the deadline it gives up, whatever it is doing`() {
        var reaper = newReaper(timeout: .seconds(1))
        _ = reaper.begin(.atOnce, at: at(0))
        #expect(reaper.wakeTime == at(1000))
        #expect(reaper.timePassed(.atOnce, at: at(1000)) == .end(.gaveUp))
    }

    @Test func `The server closes: the outcome differs from that after a reply`() {
        var reaper = newReaper()
        _ = reaper.begin(.atOnce, at: at(0))
        #expect(reaper.serverClosed() == .end(.serverClosed))
        reaper.serverFailed(isOfCancel: false)
        #expect(reaper.serverAnswered(isBusy: false, .never, at: at(1)) == .withdrawCancel)
        #expect(reaper.serverClosed() == .end(.cancelled), "the cancel was too far on its way to be withdrawn")
    }
}
