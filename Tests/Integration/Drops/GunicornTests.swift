// The case of psycopg's issue #753: gunicorn ends a worker that waits for the database, and the query continues.

import Foundation
import Testing

extension IntegrationTests {
    @Suite struct `Under gunicorn` {
        /// The driver of the application. On gunicorn's SIGABRT psycopg 3 leaves the query and closes its connection;
        /// psycopg2 waits within libpq, so its worker ends with the SIGKILL that follows.
        enum Driver: String, CaseIterable, CustomTestStringConvertible {
            case psycopg, psycopg2

            var testDescription: String { rawValue }

            /// The kind of the drop when the worker's timeout has passed.
            var drop: String { self == .psycopg ? "terminate" : "fin" }
        }

        private let postgres = PrivatePostgres.shared

        @Test(arguments: Driver.allCases)
        func `the query of a worker past its time-out ends with it, and without pgleash goes on`(_ driver: Driver)
            throws
        {
            let pgleash = try PgleashProcess()
            let direct = try Gunicorn(
                driver: "\(driver)", database: postgres.port, name: "\(driver)-direct", timeout: 2)
            let leashed = try Gunicorn(
                driver: "\(driver)", database: pgleash.port, name: "\(driver)-leashed", timeout: 2)
            let browsers = try [direct, leashed].map { try $0.request(seconds: 600) }
            for gunicorn in [direct, leashed] { try postgres.waitForActive(gunicorn.name, event: "PgSleep") }
            // On a busy machine a worker's timeout can pass before it has begun.
            let deadBefore = direct.deadWorkers.count

            let time = try timeFromDeathToEnd(of: leashed)
            print("a worker with \(driver) past its time-out: its query gone after \([time].summary)")
            #expect(time < .seconds(1))
            #expect(leashed.log.contains("WORKER TIMEOUT"))
            // The master logs it some time after the worker's end.
            if driver == .psycopg2 {
                try wait(for: "the end of the worker in the log") { leashed.hasKilledWorker }
            } else {
                #expect(!leashed.hasKilledWorker)
            }
            let report = try pgleash.waitForReport("the orphan") { $0.sum("orphans_total") == 1 }
            #expect(report["drops_total", driver.drop] == 1)
            #expect(report["orphans_total", "cancelled"] == 1)

            try wait(for: "the end of the other worker") { direct.deadWorkers.count > deadBefore }
            #expect(try holds(for: .seconds(2)) { try postgres.backends(direct.name, state: "active") == 1 })
            try postgres.terminate(direct.name)
            browsers.forEach { $0.close() }
            pgleash.stop()
        }

        /// The time from the end of a worker to the end of its backend; zero where the backend ended first.
        private func timeFromDeathToEnd(of gunicorn: Gunicorn) throws -> Duration {
            let clock = ContinuousClock()
            let deadBefore = gunicorn.deadWorkers.count
            var death: ContinuousClock.Instant?
            var end: ContinuousClock.Instant?
            return try wait(for: "the end of \(gunicorn.name)'s query", within: .seconds(20), pause: .milliseconds(1)) {
                if death == nil, gunicorn.deadWorkers.count > deadBefore { death = clock.now }
                if end == nil, try postgres.backends(gunicorn.name) == 0 { end = clock.now }
                guard let death, let end else { return nil }
                return max(.zero, death.duration(to: end))
            }
        }

        @Test(arguments: Driver.allCases)
        func `the queries of workers that are killed end with them`(_ driver: Driver) throws {
            let pgleash = try PgleashProcess()
            let gunicorn = try Gunicorn(
                driver: "\(driver)", database: pgleash.port, name: "\(driver)-killed", timeout: 60)
            let workers = gunicorn.workers
            let browsers = try workers.map { _ in try gunicorn.request(seconds: 600) }
            try postgres.waitForActive(gunicorn.name, event: "PgSleep", count: 2)
            var times: [Duration] = []
            for (worker, left) in zip(workers, [1, 0]) {
                kill(worker, SIGKILL)
                times.append(
                    try timed {
                        try wait(for: "the end of a killed worker's query", pause: .microseconds(500)) {
                            try postgres.backends(gunicorn.name) == left
                        }
                    })
            }
            print("workers with \(driver) killed: their queries gone after \(times.summary)")
            #expect(times.allSatisfy { $0 < .seconds(1) })
            let report = try pgleash.waitForReport("2 orphans") { $0.sum("orphans_total") == 2 }
            #expect(report["drops_total", "fin"] == 2)
            #expect(report["orphans_total", "cancelled"] == 2)
            browsers.forEach { $0.close() }
            pgleash.stop()
        }
    }
}
