// What pgleash costs, counted and not timed: the system calls of the release build, which is what users run.
// The counts are nearly the same in each run, on a busy machine too.

import Foundation
import Testing

extension IntegrationTests {
    @Suite(.disabled(if: Programs.areSanitized, "the release build is what counts"))
    struct CostTests {
        private static let transactions = [Workload.simpleTransaction, .preparedTransaction]

        /// What a transaction does, it does once at least; what is rarer is the timers', which go off once a second.
        private static let nothing = 0.05

        private func release() throws -> String {
            let named = ProcessInfo.processInfo.environment["PGLEASH_RELEASE"]
            return try #require(named, "PGLEASH_RELEASE must name the release build; `make test` builds it and does so")
        }

        @Test(arguments: transactions)
        func `a transaction takes one wait, receive and send in each direction, and no other system call`(
            _ transaction: Workload
        ) throws {
            let strace = try StraceProcess(release())
            let calls = try transaction.cost(of: strace.pgleash, few: 500, many: 2500, strace.count)
            let repeated = calls.filter { $0.value > Self.nothing }.mapValues { ($0 * 10).rounded() / 10 }
            #expect(repeated == ["epoll_wait": 2, "recvfrom": 2, "sendto": 2])
            strace.pgleash.stop()
        }
    }
}
