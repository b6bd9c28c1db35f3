// Process-wide functions: threads, signals, the limit of descriptors, standard error.

import Glibc
import Reactor
import TestSupport
import Testing

extension RealLoop {
    @Suite struct `A thread` {
        @Test func `runs beside its maker under its name`() throws {
            try withLoop { loop in
                let (mailbox, seen) = (Mailbox<(name: String, thread: UInt)>(), Box<[(name: String, thread: UInt)]>([]))
                try mailbox.open(on: loop) { message in
                    seen.value.append(message)
                    loop.stop()
                }
                try startThread(named: "a name of more than fifteen bytes") {
                    mailbox.post((readText("/proc/thread-self/comm") ?? "", UInt(pthread_self())))
                }
                loop.runUntilStopped()
                #expect(seen.value.first?.name == "a name of more \n")
                #expect(seen.value.first?.thread != UInt(pthread_self()))
            }
        }

        @Test func `gives back what its closure held`() throws {
            final class Held: Sendable {}
            try withLoop { loop in
                let mailbox = Mailbox<Int>()
                try mailbox.open(on: loop) { _ in loop.stop() }
                weak var watched: Held?
                do {
                    let held = Held()
                    watched = held
                    try startThread(named: "holder") { withExtendedLifetime(held) { mailbox.post(1) } }
                }
                loop.runUntilStopped()
                // The thread may not have ended yet.
                for _ in 0..<1_000 where watched != nil { usleep(1_000) }
                #expect(watched == nil)
            }
        }
    }

    @Suite struct `A signal` {
        @Test func `is told on the loop's thread as often as it comes`() throws {
            withLoop { loop in
                let calls = Box(0)
                let watch = loop.watch(signal: .user1) {
                    calls.value += 1
                    loop.stop()
                }
                for round in 1...3 {
                    #expect(kill(getpid(), SIGUSR1) == 0)
                    loop.runUntilStopped()
                    #expect(calls.value == round)
                }
                withExtendedLifetime(watch) {}
            }
        }

        @Test func `is no longer caught once the watch is gone`() {
            /// The handler of the signal: none, which ends the process, or a function.
            func handler() -> UInt {
                var action = sigaction()
                unsafe sigaction(SIGUSR1, nil, &action)
                return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: UInt.self)
            }
            withLoop { loop in
                let before = handler()
                var watch: SignalWatch? = loop.watch(signal: .user1) {}
                #expect(watch != nil && handler() != before)
                watch = nil
                #expect(handler() == before)
            }
        }

        @Test func `of a broken pipe ends nothing`() async {
            await #expect(processExitsWith: .success) {
                SignalWatch.ignoreBrokenPipes()
                var pair: [Int32] = [-1, -1]
                unsafe pipe(&pair)
                close(pair[0])
                exit(unsafe write(pair[1], pair, 1) == -1 && errno == EPIPE ? 0 : 1)
            }
        }
    }

    @Suite struct `The process` {
        @Test func `may have as many descriptors as the system allows`() {
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
            var before = rlimit()
            unsafe getrlimit(resource, &before)
            defer { unsafe setrlimit(resource, &before) }
            var lowered = before
            lowered.rlim_cur = before.rlim_max - 1
            #expect(unsafe setrlimit(resource, &lowered) == 0)
            #expect(raiseDescriptorLimit() == UInt64(before.rlim_max))
            var after = rlimit()
            unsafe getrlimit(resource, &after)
            #expect(after.rlim_cur == before.rlim_max)
            #expect(raiseDescriptorLimit() == UInt64(before.rlim_max), "to raise it again changes nothing")
        }

        @Test func `writes all of a text to standard error`() async throws {
            let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
                writeToStandardError(String(repeating: "0123456789", count: 20_000) + "ü\n")
                exit(0)
            }
            let written = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
            #expect(written == String(repeating: "0123456789", count: 20_000) + "ü\n")
        }

        @Test func `knows an error by its kind and its words`() {
            #expect(SystemError(ECONNRESET).description == "Connection reset by peer")
            #expect(SystemError.timedOut == SystemError(ETIMEDOUT))
            let kinds: [(Int32, KeyPath<SystemError, Bool>)] = [
                (EMFILE, \.isOutOfDescriptors), (ENFILE, \.isOutOfDescriptors),
                (EADDRNOTAVAIL, \.isAddressUnavailable), (EAFNOSUPPORT, \.isAddressUnavailable),
                (EAGAIN, \.isTryAgain),
                (ETIMEDOUT, \.isTimeout), (EHOSTUNREACH, \.isTimeout), (ENETUNREACH, \.isTimeout),
            ]
            for (code, kind) in kinds {
                #expect(SystemError(code)[keyPath: kind], "\(code)")
                #expect(!SystemError(ECONNREFUSED)[keyPath: kind])
            }
        }
    }
}
