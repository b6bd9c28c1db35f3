// Timers, tickers and wake-ups of a real loop.

import Glibc
import Reactor
import Synchronization
import TestSupport
import Testing

extension RealLoop {
    @Suite struct `A timer` {
        @Test func `fires in the order of time, not of making`() {
            withLoop { loop in
                let fired = Box<[Int]>([])
                let timers = [30, 10, 20, 0].map { delay in
                    loop.schedule(after: .milliseconds(delay)) { fired.value.append(delay) }
                }
                let end = loop.schedule(after: .milliseconds(40)) { loop.stop() }
                loop.runUntilStopped()
                #expect(fired.value == [0, 10, 20, 30])
                withExtendedLifetime((timers, end)) {}
            }
        }

        @Test func `fires once and not too early`() {
            withLoop { loop in
                let start = MonotonicTime.now
                let times = Box<[Duration]>([])
                let timer = loop.schedule(after: .milliseconds(25)) {
                    times.value.append(MonotonicTime.now.since(start))
                }
                loop.run(for: .milliseconds(100))
                #expect(times.value.count == 1)
                // libevent waits for whole milliseconds.
                #expect(times.value.allSatisfy { $0 >= .milliseconds(24) })
                withExtendedLifetime(timer) {}
            }
        }

        @Test(arguments: [Duration.zero, .seconds(-1), .nanoseconds(1)])
        func `of no delay fires at once`(_ delay: Duration) {
            withLoop { loop in
                let timer = loop.schedule(after: delay) { loop.stop() }
                loop.runUntilStopped()
                withExtendedLifetime(timer) {}
            }
        }

        @Test func `of 292 years does not fire today`() {
            withLoop { loop in
                let fired = Box(0)
                let timer = loop.schedule(after: .nanoseconds(Int64.max)) { fired.value += 1 }
                let processorTime = loop.run(for: .milliseconds(50))
                #expect(fired.value == 0)
                #expect(processorTime < idleProcessorTime)
                withExtendedLifetime(timer) {}
            }
        }

        @Test func `does not fire once cancelled or released`() {
            withLoop { loop in
                let fired = Box<[String]>([])
                let cancelled = loop.schedule(after: .milliseconds(5)) { fired.value.append("cancelled") }
                cancelled.cancel()
                cancelled.cancel()
                _ = loop.schedule(after: .milliseconds(5)) { fired.value.append("released") }
                let kept = loop.schedule(after: .milliseconds(5)) { fired.value.append("kept") }
                loop.run(for: .milliseconds(50))
                #expect(fired.value == ["kept"])
                withExtendedLifetime((cancelled, kept)) {}
            }
        }

        @Test func `may cancel, release and replace itself while it fires`() {
            withLoop { loop in
                let timer = Box<(any ScheduledTimer)?>(nil)
                let count = Box(0)
                func again() {
                    timer.value?.cancel()
                    timer.value = nil
                    count.value += 1
                    if count.value == 10 { return loop.stop() }
                    timer.value = loop.schedule(after: .milliseconds(1), again)
                }
                again()
                loop.runUntilStopped()
                #expect(count.value == 10)
            }
        }

        @Test func `may cancel another that is due with it`() {
            withLoop { loop in
                let fired = Box<[Int]>([])
                let timers = Box<[any ScheduledTimer]>([])
                for index in 0..<2 {
                    timers.value.append(
                        loop.schedule(after: .milliseconds(index)) {
                            fired.value.append(index)
                            timers.value[1].cancel()
                        }
                    )
                }
                // Both are due when the loop checks for the first time.
                usleep(10_000)
                loop.run(for: .milliseconds(30))
                #expect(fired.value == [0])
            }
        }
    }

    @Suite struct `A ticker` {
        @Test func `calls at its pace while it runs, and no sooner for being started twice`() throws {
            try withLoop { loop in
                let times = Box<[Duration]>([])
                let start = MonotonicTime.now
                let ticker = try loop.makeTicker {
                    times.value.append(MonotonicTime.now.since(start))
                    if times.value.count == 3 { loop.stop() }
                }
                ticker.start(every: .milliseconds(20))
                ticker.start(every: .milliseconds(1))
                loop.runUntilStopped()
                for (index, time) in times.value.enumerated() { #expect(time >= .milliseconds(20) * (index + 1)) }
                withExtendedLifetime(ticker) {}
            }
        }

        @Test func `calls neither before its start, nor stopped, nor released, and leaves the loop waiting`() throws {
            try withLoop { loop in
                let calls = Box(0)
                let tickers = try (0..<3).map { _ in try loop.makeTicker { calls.value += 1 } }
                tickers[1].start(every: .milliseconds(1))
                tickers[1].stop()
                tickers[1].stop()
                try loop.makeTicker { calls.value += 1 }.start(every: .milliseconds(1))
                let processorTime = loop.run(for: .milliseconds(50))
                #expect(calls.value == 0)
                #expect(processorTime < idleProcessorTime)
                withExtendedLifetime(tickers) {}
            }
        }

        @Test func `may stop, start again and release itself in its call`() throws {
            try withLoop { loop in
                let ticker = Box<(any Ticker)?>(nil)
                let calls = Box(0)
                ticker.value = try loop.makeTicker {
                    calls.value += 1
                    ticker.value?.stop()
                    if calls.value == 3 { ticker.value = nil } else { ticker.value?.start(every: .milliseconds(1)) }
                }
                ticker.value?.start(every: .milliseconds(1))
                loop.run(for: .milliseconds(100))
                #expect(calls.value == 3)
            }
        }

        @Test func `calls once for the ticks of a loop that was late`() throws {
            try withLoop { loop in
                let calls = Box(0)
                let ticker = try loop.makeTicker {
                    calls.value += 1
                    loop.stop()
                }
                ticker.start(every: .milliseconds(10))
                usleep(50_000)
                loop.runUntilStopped()
                #expect(calls.value == 1)
                withExtendedLifetime(ticker) {}
            }
        }

        @Test func `that is due but stopped by another call does not call`() throws {
            try withLoop { loop in
                let calls = Box(0)
                let tickers = Box<[any Ticker]>([])
                for _ in 0..<2 {
                    tickers.value.append(
                        try loop.makeTicker {
                            calls.value += 1
                            tickers.value.forEach { $0.stop() }
                        }
                    )
                }
                tickers.value.forEach { $0.start(every: .milliseconds(1)) }
                // Both are due when the loop checks for the first time.
                usleep(10_000)
                loop.run(for: .milliseconds(30))
                #expect(calls.value == 1)
            }
        }
    }

    @Suite struct `A wake-up` {
        @Test func `reaches the loop's thread from another`() throws {
            try withLoop { loop in
                let loopThread = pthread_self()
                let calls = Box(0)
                let wakeup = try loop.makeWakeup {
                    #expect(pthread_equal(pthread_self(), loopThread) != 0)
                    calls.value += 1
                    loop.stop()
                }
                for _ in 0..<3 {
                    try startThread(named: "waker") { wakeup.wake() }
                    loop.runUntilStopped()
                }
                #expect(calls.value == 3)
            }
        }

        @Test func `given many times before the loop looks is one call, and leaves it waiting`() throws {
            try withLoop { loop in
                let calls = Box(0)
                let wakeup = try loop.makeWakeup { calls.value += 1 }
                for _ in 0..<1_000 { wakeup.wake() }
                let processorTime = loop.run(for: .milliseconds(100))
                #expect(calls.value == 1)
                #expect(processorTime < idleProcessorTime)
            }
        }

        @Test func `may be given by the call it makes, and released by it`() throws {
            try withLoop { loop in
                let wakeup = Box<(any Wakeup)?>(nil)
                let calls = Box(0)
                wakeup.value = try loop.makeWakeup {
                    calls.value += 1
                    wakeup.value?.wake()
                    if calls.value == 5 { wakeup.value = nil }
                }
                wakeup.value?.wake()
                loop.run(for: .milliseconds(50))
                #expect(calls.value == 5)
            }
        }
    }
}
