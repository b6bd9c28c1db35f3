// A pooler with fewer connections than clients, all of them busy: clients leave at any moment, also while they wait for
// a connection, and those that stay must not be affected.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `Clients that go from a busy pool` {
        private static let bystanders = 6
        private static let connections = 4

        @Test(arguments: Place.Kind.leashed.filter { $0 == .sessionPool || $0 == .transactionPool })
        func `leave nothing, and cost no other client a reply`(
            _ kind: Place.Kind
        ) throws {
            let place = try Place(kind, poolSize: Self.connections)
            let run = PlaceRun(place)
            let bystanders = try (1...Self.bystanders).map {
                try Bystander(port: place.port, name: "bystander-\($0)", queriesPerSession: 10)
            }
            for number in 0..<DropCount.of(60, share: 0.03) {
                let activities = Activity.ofBusyPool
                let departures = Departure.allCases.filter { $0 != .deadHost }
                try run.drop(
                    activities[number % activities.count], departures[number / activities.count % departures.count],
                    stay: .milliseconds(40) * Double.random(in: 0...1)
                )
            }
            let result = try run.finish()
            let hits = try bystanders.flatMap { try $0.stopAfterHits() }
            let answers = try bystanders.reduce(0) { try $0 + $1.stop().count }
            print(
                "\(kind.rawValue), busy: \(result.total.orphans) of \(result.total.count) left, \(hits.count) of"
                    + " \(answers) answers to bystanders wrong, \(result.total.times.summary)"
            )
            for orphan in result.orphans { Issue.record("left: \(orphan)") }
            for report in result.falseReports { Issue.record("false: \(report)") }
            for hit in hits { Issue.record("hit: \(hit)") }
            place.stop()
        }
    }
}

extension Activity {
    /// The test waits for no step of it: it may wait for a connection itself when its client leaves, or be over.
    fileprivate static let ofBusyPool = [
        Activity(description: "long query", steps: [.send(Frontend.query(sleep))]),
        Activity(description: "short query", steps: [.send(Frontend.query("SELECT pg_sleep(0.02)"))]),
        Activity(description: "extended protocol", steps: [.send(Frontend.extended(sleep) + Frontend.sync)]),
        Activity(description: "extended protocol, no Sync", steps: [.send(Frontend.extended(sleep) + Frontend.flush)]),
        Activity(
            description: "CPU-bound query",
            steps: [.send(Frontend.query("SELECT generate_series(1, 1e9) OFFSET 1e9"))]
        ),
        Activity(
            description: "short queries",
            steps: [.send((1...4).flatMap { _ in Frontend.query("SELECT pg_sleep(0.01)") })]
        ),
        Activity(
            description: "in a transaction",
            steps: [
                .send(Frontend.query("BEGIN; SELECT 1")), .read(until: BackendKind.readyForQuery),
                .send(Frontend.query(sleep)),
            ]
        ),
        Activity(
            description: "COPY out",
            steps: [.send(Frontend.query("COPY (SELECT generate_series(1, 100000000)) TO STDOUT"))]
        ),
        Activity(description: "sent and gone", steps: [], lastWords: Frontend.query(sleep)),
        Activity(
            description: "startup and query in one send", sentAhead: Frontend.query(sleep), awaitsStart: false,
            steps: []
        ),
    ]
}
