// A client's own CancelRequest, which is no session: it is passed on to where the session is that it is meant for.

import CancelPolicy
import PostgresProtocol
import Reactor
import Telemetry
import Upstream

/// A client that wants something cancelled, and waits to see that it is.
final class CancelRelay: Stage {
    private let client: any StreamSocket
    private let key: CancelKey
    /// So many cancels are on their way; nil while the server's addresses are looked up.
    private var underWay: Int?
    private var isSent = false
    /// No session of ours has the key.
    private var hasUnknownKey = false
    /// The client left during the lookup. Its cancel is delivered all the same.
    private var hasClientLeft = false

    init(after previous: Stage, _ client: any StreamSocket, _ key: CancelKey) {
        (self.client, self.key) = (client, key)
        super.init(after: previous)
        client.owner = self
        client.interest = .close
    }

    /// Goes to where the session the cancel is meant for is connected, if that is one of ours; no name is needed for
    /// that. Otherwise nobody knows which of the server's addresses it is meant for.
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

    /// Otherwise nobody could tell why a query runs on whose end was asked for.
    private func fail(_ reason: String) {
        worker.counters.clientCancelsFailed.add()
        worker.logThrottled(.warning, "cancel not sent", ["pid": "\(key.processID)", "reason": "\(reason)"])
        end(.serverUnreachable)
    }

    override func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        if underWay != nil { return end(.cancelRelayed) }
        hasClientLeft = true
        client.interest = []
    }

    /// A cancel for one of our sessions is let through.
    override func shutDown() {
        if underWay == nil || hasUnknownKey { end(.shutdown) }
    }

    override func close() { client.close() }

    override var name: String { "relaying cancel" }

    override var encryption: SessionSnapshot.Encryption { .init(ofClient: client, ofServer: nil) }
}
