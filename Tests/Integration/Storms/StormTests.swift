// 500 clients that die at once: all of them are reaped at once, and no other client is affected.

import Foundation
import PostgresProtocol
import Testing

extension IntegrationTests {
    @Suite struct `A storm` {
        private let postgres = Storm.postgres

        @Test func `of 500 clients killed in one instant is reaped within a second, and a bystander hardly notices`()
            throws
        {
            var floor = try Storm.floor()
            print("500 cancelled directly: \(floor)")
            let pgleash = try PgleashProcess(server: postgres.address)
            let stray = postgres.strayCancels
            var courses: [StormCourse] = []
            for round in 1...2 {
                let group = try ClientGroup(Storm.size, port: pgleash.port, on: postgres)
                let before = pgleash.processorTime
                let course = try StormCourse(of: group.name, on: postgres, port: pgleash.port) { group.kill() }
                let used = pgleash.processorTime - before
                let report = try pgleash.waitForReport("no session") { $0["sessions_active"] == 0 }
                print(
                    "500 killed at once: \(course); pgleash used \([used].summary) of a processor;"
                        + " \(report.sum("cancels_sent_total")) cancels in all")
                courses.append(course)
                #expect(report.sum("drops_total") == round * Storm.size)
                #expect(report["orphans_total", "cancelled"] == round * Storm.size)
                #expect(report["cancels_failed_total"] == 0)
            }
            #expect(postgres.strayCancels == stray)
            // The machine may be busier than before.
            floor = floor.orSlower(try Storm.floor())
            print("at the longest: \(floor)")
            for course in courses {
                #expect(course.stopped < floor.bound)
                #expect(course.isKindToBystander(floor: floor), "\(course.slowest)")
            }
            pgleash.stop()
        }

        @Test func `leaves no memory and no descriptor behind`() throws {
            let pgleash = try PgleashProcess(server: postgres.address)
            try pgleash.waitForProbe()
            let descriptors = pgleash.descriptors
            var memory = [pgleash.memory("VmRSS")]
            for _ in 1...3 {
                let group = try ClientGroup(Storm.size, port: pgleash.port, on: postgres)
                memory.append(pgleash.memory("VmRSS"))
                group.kill()
                try pgleash.waitForReport("no session", within: .seconds(30)) { $0["sessions_active"] == 0 }
                // Cancelled backends exit one after another.
                try wait(for: "the descriptors") { pgleash.descriptors == descriptors }
                memory.append(pgleash.memory("VmRSS"))
            }
            let most = pgleash.memory("VmHWM")
            print("VmRSS \(memory.map(String.init).joined(separator: ", ")) KiB, \(most) KiB at most")
            if !Programs.areSanitized {
                // A session has no buffer while it waits: 500 of them, reaped or not, take kilobytes each.
                #expect(most - memory[0] < 16 * 1024)
                #expect(memory[6] - memory[2] < 1024)
            }
            pgleash.stop()
        }

        @Test func `with a SIGTERM in the middle ends pgleash in time, with everything reaped`() throws {
            // So few that a shutdown takes seconds, on a busy machine, too.
            let size = 200
            let pgleash = try PgleashProcess(server: postgres.address)
            let group = try ClientGroup(size, port: pgleash.port, on: postgres)
            let bystander = try pgleash.connect(name: "bystander")
            group.kill()
            try wait(for: "the first orphans") { pgleash.logLines("orphan reaped").count >= 20 }
            let reaped = pgleash.logLines("orphan reaped").count
            let time = try timed {
                pgleash.process.send(SIGTERM)
                let goodbye = try bystander.readMessage()
                #expect(goodbye.field("C") == "57P01")
                try pgleash.process.wait(within: .seconds(8))
            }
            print("ended by SIGTERM with \(reaped) of \(size) reaped: \([time].summary)")
            #expect(reaped < size, "the storm was over before")
            #expect(pgleash.process.exit == .code(0))
            #expect(time < .seconds(5))
            #expect(!pgleash.log.contains("not all sessions ended in time"))
            #expect(pgleash.logLines("outcome=cancelled").count == size)
            #expect(try postgres.timeUntilGone(group.name) < .seconds(1))
        }

        @Test func `with a SIGTERM ends pgleash in time, too, when the server takes no cancels`() throws {
            let between = try PassThrough(to: postgres.port)
            let pgleash = try PgleashProcess(server: between.address)
            let group = try ClientGroup(100, port: pgleash.port, on: postgres)
            try between.setMode(.hanging)
            group.kill()
            try pgleash.waitForReport("100 orphans") { $0["orphans_active"] == 100 }
            let time = try timed {
                pgleash.process.send(SIGTERM)
                try pgleash.process.wait(within: .seconds(8))
            }
            #expect(pgleash.process.exit == .code(0))
            #expect(time < .seconds(5))
            #expect(pgleash.log.contains("not all sessions ended in time"))
        }
    }
}
