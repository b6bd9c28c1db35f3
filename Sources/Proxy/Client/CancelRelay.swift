// The relay of a client's own CancelRequest, which is no session: it goes to the server of the session that it is for.

import CancelPolicy
import PostgresProtocol
import Reactor
import Telemetry
import Upstream

/// A client that requests a cancel and waits for its end.
final class CancelRelay: Stage {
    private let client: any StreamSocket
    private let key: CancelKey
    /// The number of cancels on their way; nil while the server's addresses are being resolved.
    private var underWay: Int?
    private var isSent = false
    /// The key belongs to no known session.
    private var hasUnknownKey = false
    /// The client left during the resolution. Its cancel is delivered nevertheless.
    private var hasClientLeft = false

    init(after previous: Stage, _ client: any StreamSocket, _ key: CancelKey) {
        (self.client, self.key) = (client, key)
        super.init(after: previous)
        client.owner = self
        client.interest = .close
    }

    /// Uses the route of the session that the cancel is for, if this is a known one; this needs no name resolution.
    /// Otherwise the cancel goes to all addresses of the server.
    func begin() {
        if let route = worker.environment.keys.route(of: key) {
            order(.client, [route])
        } else {
            worker.findServer(for: self)
        }
    }

    override func serverResolved(_ answer: NameResolver.Answer) {
        guard underWay == nil else { return }
        switch dialable(answer) {
        case .nowhere(let reason): fail(reason)
        case .addresses(let addresses): order(.unknownKey, addresses.map { CancelRoute(to: $0, .asConfigured) })
        }
    }

    private func order(_ purpose: CancelOrder.Purpose, _ routes: [CancelRoute]) {
        underWay = routes.count
        hasUnknownKey = purpose == .unknownKey
        for route in routes { _ = worker.orderCancel(purpose, for: id, key, by: route) }
        if hasClientLeft { end(.cancelRelayed) }
    }

    override func cancelConcluded(_ result: Reaper.CancelResult) {
        guard let underWay else { return }
        if result == .sent { isSent = true }
        self.underWay = underWay - 1
        if underWay == 1 { end(isSent ? .cancelRelayed : .serverUnreachable) }
    }

    /// The log is the only place that shows why a query continues although its end was requested.
    private func fail(_ reason: String) {
        worker.counters.clientCancelsFailed.add()
        worker.logBeforeLogin(.warning, "cancel not sent", ["pid": .number(key.processID), "reason": "\(reason)"])
        end(.serverUnreachable)
    }

    override func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        if underWay != nil { return end(.cancelRelayed) }
        hasClientLeft = true
        client.interest = []
    }

    /// A cancel for a known session is still sent.
    override func shutDown() {
        if underWay == nil || hasUnknownKey { end(.shutdown) }
    }

    override func close() { client.close() }

    override var name: String { "relaying cancel" }

    override var encryption: SessionSnapshot.Encryption { .init(ofClient: client, ofServer: nil) }
}
