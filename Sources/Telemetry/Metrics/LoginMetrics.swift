// The metrics by user and database, which `[metrics] labels` requests.

import CancelPolicy
import Synchronization

/// The user and the database of a session, as the client's StartupMessage names them.
package struct Login: Hashable, Comparable, Sendable {
    package let user: String
    package let database: String

    package init(user: String, database: String) { (self.user, self.database) = (user, database) }

    package static func < (left: Login, right: Login) -> Bool {
        (left.user, left.database) < (right.user, right.database)
    }
}

/// Counts the outcomes of orphans by login; from any thread. A name that is no label is empty in a login here.
///
/// Only names of clients that have logged in become labels: anybody who can connect can choose others.
package final class LoginMetrics: Sendable {
    /// What is known about a login at one time.
    struct Reading: Sendable {
        /// Clients that have logged in and are connected.
        var sessions: Int64 = 0
        var busySessions: Int64 = 0
        var oldestQuery: Duration?
        fileprivate(set) var orphans: [Outcome: Int64] = [:]

        fileprivate mutating func add(_ session: SessionSnapshot) {
            sessions += 1
            guard let age = session.queryAge else { return }
            busySessions += 1
            oldestQuery = max(oldestQuery ?? .zero, age)
        }
    }

    /// Further logins are counted together, without names, as a monitoring system pays for each of them.
    static let mostLogins = 1000

    private let isByUser: Bool
    private let isByDatabase: Bool
    private let orphans = Mutex<[Login: [Outcome: Int64]]>([:])

    package init(byUser isByUser: Bool, byDatabase isByDatabase: Bool) {
        (self.isByUser, self.isByDatabase) = (isByUser, isByDatabase)
    }

    /// A client has logged in. Its login has samples from now on, as a rate needs their zero.
    package func loggedIn(_ login: Login) {
        orphans.withLock { orphans in
            let login = known(login, in: orphans)
            orphans[login] = orphans[login] ?? [:]
        }
    }

    package func count(_ outcome: Outcome, of login: Login) {
        orphans.withLock { $0[known(login, in: $0), default: [:]][outcome, default: 0] += 1 }
    }

    /// What is known of each login, with the sessions of the workers.
    func readings(with sessions: [SessionSnapshot]) -> [Login: Reading] {
        let orphans = orphans.withLock { $0 }
        var readings = orphans.mapValues { Reading(orphans: $0) }
        for session in sessions where session.isLoggedIn {
            let login = Login(user: session.user, database: session.database)
            readings[known(login, in: orphans), default: Reading()].add(session)
        }
        return readings
    }

    /// The labels of a login's samples.
    func labels(of login: Login) -> [(name: String, value: String)] {
        (isByUser ? [("user", login.user)] : []) + (isByDatabase ? [("database", login.database)] : [])
    }

    private func known<Value>(_ login: Login, in logins: [Login: Value]) -> Login {
        let login = Login(user: isByUser ? login.user : "", database: isByDatabase ? login.database : "")
        return logins.count < Self.mostLogins || logins[login] != nil ? login : Login(user: "", database: "")
    }
}
