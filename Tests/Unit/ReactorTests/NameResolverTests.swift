// Name resolution on another thread: each request gets one answer, and at most one look-up is under way.

import Dispatch
import Glibc
import Reactor
import TestSupport
import Testing

extension RealLoop {
    @Suite struct `A name resolver` {
        private static let one = Endpoint(host: "127.0.0.1", port: 1)
        private static let two = Endpoint(host: "/run/pg", port: 2)
        /// Fails without a name server.
        private static let unknown = Endpoint(host: "/" + String(repeating: "d", count: 200), port: 3)

        private typealias Reply = (asker: Int, answer: NameResolver.Answer)

        /// Makes `askers` requests and returns the answers in the order of their arrival, with the number of the
        /// request.
        private func ask(_ endpoints: [Endpoint], askers: Int = 1) throws -> [Reply] {
            try withLoop { loop in
                let (mailbox, answers) = (Mailbox<Reply>(), Box<[Reply]>([]))
                try mailbox.open(on: loop) { reply in
                    answers.value.append(reply)
                    if answers.value.count == askers { loop.stop() }
                }
                let resolver = NameResolver(endpoints)
                for asker in 0..<askers { resolver.resolve { mailbox.post((asker, $0)) } }
                loop.runUntilStopped()
                // No request gets two answers.
                loop.run(for: .milliseconds(10))
                return answers.value
            }
        }

        @Test func `gives the addresses of all endpoints in their order`() throws {
            let answer = try #require(try ask([Self.one, Self.two]).first).answer
            let expected = [
                HostAddress(.ipv4(0x7f00_0001, port: 1), foundBy: Self.one.host),
                HostAddress(.unix(path: "/run/pg/.s.PGSQL.2"), foundBy: Self.two.host),
            ]
            #expect(try answer.get() == expected)
        }

        @Test func `leaves out what can't be resolved`() throws {
            let answer = try #require(try ask([Self.unknown, Self.two]).first).answer
            #expect(try answer.get().map(\.address) == [.unix(path: "/run/pg/.s.PGSQL.2")])
        }

        @Test func `returns the first failure when nothing can be`() throws {
            let other = Endpoint(host: Self.unknown.host + "e", port: 4)
            let answer = try #require(try ask([Self.unknown, other]).first).answer
            let failure = #expect(throws: ResolutionError.self) { try answer.get() }
            #expect(failure?.host == Self.unknown.host)
        }

        @Test func `answers each of many askers once`() throws {
            let answers = try ask([Self.one], askers: 500)
            #expect(answers.count == 500)
            #expect(Set(answers.map(\.asker)).count == 500)
            for (_, answer) in answers { #expect(try answer.get().map(\.address) == [.ipv4(0x7f00_0001, port: 1)]) }
        }

        @Test func `answers again after it has rested`() throws {
            try withLoop { loop in
                let (mailbox, count) = (Mailbox<Bool>(), Box(0))
                try mailbox.open(on: loop) { isSuccess in
                    #expect(isSuccess)
                    count.value += 1
                    loop.stop()
                }
                let resolver = NameResolver([Self.one])
                for round in 1...20 {
                    resolver.resolve { answer in mailbox.post((try? answer.get()) != nil) }
                    loop.runUntilStopped()
                    #expect(count.value == round)
                }
            }
        }

        @Test func `makes further requests wait for the next look-up, which they share`() throws {
            try withLoop { loop in
                let gate = DispatchSemaphore(value: 0)
                let (mailbox, answers) = (Mailbox<(asker: Int, thread: UInt)>(), Box<[(asker: Int, thread: UInt)]>([]))
                try mailbox.open(on: loop) { reply in
                    answers.value.append(reply)
                    if reply.asker == 0 || answers.value.count == 6 { loop.stop() }
                }
                let resolver = NameResolver([Self.one])
                // The first answer blocks the resolver's thread until the gate is opened.
                resolver.resolve { _ in
                    mailbox.post((0, UInt(pthread_self())))
                    gate.wait()
                }
                loop.runUntilStopped()
                for asker in 1...5 { resolver.resolve { _ in mailbox.post((asker, UInt(pthread_self()))) } }
                loop.run(for: .milliseconds(50))
                #expect(answers.value.map(\.asker) == [0], "no second look-up is under way")
                gate.signal()
                loop.runUntilStopped()
                #expect(answers.value.map(\.asker) == [0, 1, 2, 3, 4, 5])
                #expect(Set(answers.value.map(\.thread)).count == 1)
            }
        }
    }
}
