// The costs of pgleash, counted and not timed: system calls, allocations and instructions of the release build, which
// users run. The counts are nearly the same in each run, on a busy machine, too.

import Foundation
import Testing

extension IntegrationTests {
    @Suite(.disabled(if: Programs.areSanitized, "the release build is what counts"))
    struct `Counted in the release build` {
        private static let transactions = [Workload.simpleTransaction, .preparedTransaction]

        /// A call that belongs to a transaction occurs once at least; rarer ones belong to timers, which fire once a
        /// second.
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

        @Test(arguments: transactions)
        func `a transaction allocates nothing, and executes what is recorded`(_ transaction: Workload) throws {
            let cost = try underCallgrind(transaction, few: 500, many: 2500)
            #expect(cost[CallgrindProcess.allocations, default: .infinity] < Self.nothing)
            try judge(cost, CallgrindProcess.instructions, of: transaction)
        }

        @Test func `a connection executes and allocates what is recorded`() throws {
            let cost = try underCallgrind(.connection, few: 20, many: 120)
            try judge(cost, CallgrindProcess.instructions, of: .connection)
            // This also proves that allocations are counted.
            try judge(cost, CallgrindProcess.allocations, of: .connection)
        }

        @Test func `a megabyte of COPY out executes what is recorded`() throws {
            let cost = try underCallgrind(.copiedMegabyte, few: 1, many: 4)
            try judge(cost, CallgrindProcess.instructions, of: .copiedMegabyte)
        }

        @Test func `a tenth more or less than is recorded is not accepted`() {
            let recorded = RecordedCounts(parsing: "# what it costs\nsteps of a walk    100\n")
            #expect(recorded.objection(to: 91, "steps of a walk") == nil)
            #expect(recorded.objection(to: 109, "steps of a walk") == nil)
            #expect(recorded.objection(to: 89, "steps of a walk")?.contains("better") == true)
            #expect(recorded.objection(to: 111, "steps of a walk")?.contains("worse") == true)
            #expect(recorded.objection(to: 100, "steps of a dance")?.contains("none recorded") == true)
        }

        private func underCallgrind(_ workload: Workload, few: Int, many: Int) throws -> [String: Double] {
            let callgrind = try CallgrindProcess(release())
            let cost = try workload.cost(of: callgrind.pgleash, few: few, many: many, callgrind.count)
            callgrind.pgleash.stop()
            return cost
        }

        private func judge(_ cost: [String: Double], _ counted: String, of workload: Workload) throws {
            let name = "\(counted) of a \(workload.rawValue)"
            let cost = try #require(cost[counted])
            print("\(name): \(Int(cost.rounded()))")
            var costs = RecordedCounts.read()
            if RecordedCounts.isRecording {
                try costs.record(cost, name)
            } else if let objection = costs.objection(to: cost, name) {
                Issue.record(Comment(rawValue: objection))
            }
        }
    }
}
