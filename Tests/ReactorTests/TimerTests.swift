// Timers and wake-ups of a real loop.

import Glibc
import Reactor
import RealSockets
import Synchronization
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
                // libevent counts whole milliseconds from the start of a turn of its loop.
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
                // Both are due when the loop looks for the first time.
                usleep(10_000)
                loop.run(for: .milliseconds(30))
                #expect(fired.value == [0])
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
