// The stage of a session whose client has sent its StartupMessage, and whose server is being connected.

import CancelPolicy
import PostgresProtocol
import Reactor
import Telemetry
import Upstream

/// Waits for the server's address and for a connection to it.
final class SessionOpening: Stage {
    private let client: any StreamSocket
    private let state: SessionState
    /// The client's TLS is passed through, and `state` is not used. An enumeration would cost a connection 900
    /// instructions more.
    private let isForTunnel: Bool
    private let firstBytes: [UInt8]
    private var connector: ServerConnector?

    /// - Parameter firstBytes: the first bytes for the server.
    init(after previous: Stage, _ client: any StreamSocket, _ state: SessionState, firstBytes: [UInt8]) {
        (self.client, self.state, self.firstBytes, isForTunnel) = (client, state, firstBytes, false)
        super.init(after: previous)
        client.owner = self
    }

    /// Opens a tunnel.
    init(after previous: Stage, _ client: any StreamSocket, tunnelFrom firstBytes: [UInt8]) {
        (self.client, self.firstBytes, isForTunnel) = (client, firstBytes, true)
        state = SessionState(isReplication: false)
        super.init(after: previous)
        client.owner = self
    }

    func begin() {
        worker.findServer(for: self)
        // Most often there is an address and a connection at once, and the interest need not change.
        if !isOver { client.interest = .close }
    }

    override func serverResolved(_ answer: NameResolver.Answer) {
        guard connector == nil else { return }
        switch dialable(answer) {
        case .nowhere(let reason): refuseUnconnected(client, reason)
        case .addresses(let addresses):
            let connector = ServerConnector(
                loop: worker.loop,
                addresses: addresses,
                security: security,
                timeout: worker.environment.configuration.server.connectTimeout
            ) { [unowned self] result in
                connected(result)
            }
            self.connector = connector
            connector.start()
        }
    }

    private func connected(_ result: Result<any StreamSocket, ConnectError>) {
        switch result {
        case .failure(let error) where error.isOutOfDescriptors:
            worker.logBeforeLogin(.error, "out of file descriptors", logMetadata)
            let detail = "pgleash is out of file descriptors."
            let error = FatalError(.tooManyConnections, "sorry, too many clients already", detail: detail)
            refuse(client, error, .outOfDescriptors)
        case .failure(let error): refuseUnconnected(client, "\(error)")
        case .success(let server):
            if let reason = connector?.reasonForPlainText {
                // This happens with sslmode = prefer, and nothing else would show it.
                worker.logBeforeLogin(.warning, "connection to server is not encrypted", ["reason": "\(reason)"])
            }
            var route: CancelRoute?
            if let address = connector?.address {
                route = worker.cancelRoute(to: address, server.encryptedPeerName == nil ? .plain : .encrypted)
            }
            begin(server, route)
        }
    }

    private func begin(_ server: any StreamSocket, _ route: CancelRoute?) {
        if isForTunnel {
            Tunnel(after: self, client, server, route).begin(with: firstBytes)
        } else {
            Session(after: self, client, server, state, route).begin(with: firstBytes)
        }
    }

    private var security: ServerSecurity {
        isForTunnel ? ServerSecurity.none : worker.environment.security.server
    }

    /// The client left before it had a server.
    override func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        end(DropKind(client.takeError()).idleEnd)
    }

    override func shutDown() {
        refuse(client, FatalError(.cannotConnectNow, "pgleash is shutting down"), .shutdown)
    }

    override func stopWaiting() { connector = nil }

    override func close() { client.close() }

    override var name: String { "connecting" }

    override var backend: Backend { Backend(applicationName: state.tracker.applicationName) }

    override var encryption: SessionSnapshot.Encryption { .init(ofClient: client, ofServer: nil) }
}

extension Stage {
    /// Refuses a client whose connection to the server failed or was not as required.
    ///
    /// - Parameter buffer: bytes that the client gets before that.
    final func refuseUnconnected(
        _ client: any StreamSocket, _ reason: String, after buffer: SendBuffer = SendBuffer()
    ) {
        worker.counters.connectFailures.add()
        worker.logBeforeLogin(.error, "\(reason)", logMetadata)
        refuse(client, FatalError(.cannotConnectNow, reason), .serverUnreachable, after: buffer)
    }
}

// MARK: - Addresses

/// The result of the server's name resolution.
enum Dialable {
    case addresses([HostAddress])
    /// There is no address to dial, for this reason.
    case nowhere(reason: String)
}

extension Stage {
    /// The addresses of the server without those of pgleash itself. An address can have become pgleash's own by a
    /// change of a name or of the machine's addresses; otherwise pgleash would not have started.
    final func dialable(_ answer: NameResolver.Answer) -> Dialable {
        switch answer {
        case .failure(let error): return .nowhere(reason: "\(error)")
        case .success(let addresses):
            guard let own = addresses.first(where: { worker.isOwn($0) }) else { return .addresses(addresses) }
            let reason = "could not connect to server at \(own.address): pgleash itself listens there"
            let others = addresses.filter { !worker.isOwn($0) }
            if others.isEmpty { return .nowhere(reason: reason) }
            worker.logBeforeLogin(.warning, "\(reason)", logMetadata)
            return .addresses(others)
        }
    }
}
