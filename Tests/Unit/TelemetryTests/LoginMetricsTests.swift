// The metrics by user and database.

import CancelPolicy
import Testing

@testable import Telemetry

@Suite struct `Metrics by login` {
    private func session(
        _ user: String, _ database: String, _ state: String, query: Duration? = nil
    ) -> SessionSnapshot {
        SessionSnapshot(
            client: "", user: user, database: database, applicationName: "", processID: nil, state: state,
            isLoggedIn: !["reaping", "authenticating", "startup"].contains(state),
            encryption: .none, age: .seconds(9), queryAge: query
        )
    }

    private func lines(_ logins: LoginMetrics, _ sessions: [SessionSnapshot] = []) -> [String] {
        var sources = MetricSources(counters: [])
        sources.add(logins, with: sessions)
        let text = Metric.allText(from: sources, in: .prometheus)
        return text.split(separator: "\n").filter { $0.hasPrefix("pgleash_login_") }.map(String.init)
    }

    @Test func `count the sessions that are logged in`() {
        let logins = LoginMetrics(byUser: true, byDatabase: true)
        logins.loggedIn(Login(user: "idle", database: "shop"))
        let lines = lines(
            logins,
            [
                session("app", "shop", "active", query: .milliseconds(1500)),
                session("app", "shop", "active", query: .milliseconds(500)),
                session("app", "shop", "idle in transaction"), session("app", "stock", "idle"),
                session("app", "shop", "reaping", query: .seconds(60)), session("x", "x", "authenticating"),
                session("", "", "startup"),
            ])
        #expect(
            lines.filter { !$0.contains("outcome") } == [
                #"pgleash_login_sessions{user="app",database="shop"} 3"#,
                #"pgleash_login_sessions{user="app",database="stock"} 1"#,
                #"pgleash_login_sessions{user="idle",database="shop"} 0"#,
                #"pgleash_login_sessions_busy{user="app",database="shop"} 2"#,
                #"pgleash_login_sessions_busy{user="app",database="stock"} 0"#,
                #"pgleash_login_sessions_busy{user="idle",database="shop"} 0"#,
                #"pgleash_login_query_oldest_seconds{user="app",database="shop"} 1.5"#,
            ])
    }

    @Test func `count orphans by outcome, and begin at zero`() {
        let logins = LoginMetrics(byUser: true, byDatabase: true)
        let app = Login(user: "app", database: "shop")
        logins.loggedIn(app)
        let sample = #"pgleash_login_orphans_total{user="app",database="shop",outcome="cancelled"} "#
        #expect(lines(logins).filter { $0.contains("_total") }.count == Outcome.allCases.count)
        #expect(lines(logins).contains(sample + "0"))
        logins.count(.cancelled, of: app)
        logins.count(.cancelled, of: app)
        logins.loggedIn(app)
        #expect(lines(logins).contains(sample + "2"))
    }

    @Test(arguments: [
        (true, false, #"{user="app"} 2"#), (false, true, #"{database="b"} 1"#),
    ])
    func `have the labels that are requested`(byUser: Bool, byDatabase: Bool, ending: String) {
        let logins = LoginMetrics(byUser: byUser, byDatabase: byDatabase)
        let sessions = [session("app", "shop", "idle"), session("app", "shop", "idle")]
        let other = session("b", "b", "idle")
        #expect(lines(logins, sessions + [other]).first == "pgleash_login_sessions" + ending)
    }

    @Test func `of many logins are those of the first and of all others together`() {
        let logins = LoginMetrics(byUser: true, byDatabase: false)
        for number in 0..<LoginMetrics.mostLogins + 100 {
            let login = Login(user: "user \(number)", database: "")
            logins.loggedIn(login)
            logins.count(.cancelled, of: login)
        }
        let counts = lines(logins).filter { $0.contains(#""cancelled""#) }
        #expect(counts.count == LoginMetrics.mostLogins + 1)
        #expect(counts.first == #"pgleash_login_orphans_total{user="",outcome="cancelled"} 100"#)
        let late = lines(logins, [session("late", "", "idle"), session("user 1", "", "idle")])
        #expect(late.contains(#"pgleash_login_sessions{user=""} 1"#))
        #expect(late.contains(#"pgleash_login_sessions{user="user 1"} 1"#))
    }

    @Test func `are not there without the setting`() {
        let text = Metric.allText(from: MetricSources(counters: []), in: .prometheus)
        #expect(!text.contains("pgleash_login"))
    }
}
