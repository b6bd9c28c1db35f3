// Whether clients' connections are encrypted, and what the clients are shown.

import Reactor
import Settings
import TLS

/// What is needed to encrypt clients' connections.
package final class ClientSecurity: Sendable {
    /// Connections are plain ones.
    package static let none = ClientSecurity(mode: .disable, nil)

    private let mode: ClientSSLMode
    private let options: TLSServerOptions?
    private let server = Locked<TLSServer?>(nil)

    /// - Throws: `TLSError` when a file can't be used.
    package convenience init(_ settings: Configuration.ListenTLS) throws(TLSError) {
        self.init(mode: settings.mode, settings.options)
        try reload()
    }

    private init(mode: ClientSSLMode, _ options: TLSServerOptions?) {
        self.mode = mode
        self.options = options
    }

    var readsFiles: Bool { mode != .disable }

    /// Reads the files again, for the connections to come. When one can't be used, all stays as it was.
    func reload() throws(TLSError) {
        guard readsFiles, let options else { return }
        let read = try TLSServer(options)
        server.withLock { $0 = read }
    }

    /// Whether clients are shown a certificate that is past its time.
    var hasExpired: Bool { server.withLock { $0?.hasExpired ?? false } }

    /// Whether a client may ask for TLS; one on a Unix socket has nobody who could listen.
    func offersTLS(to client: SocketAddress) -> Bool { mode != .disable && !client.isUnix }

    /// Whether a client has to.
    func demandsTLS(of client: SocketAddress) -> Bool { mode == .require && !client.isUnix }

    func accept(over socket: any StreamSocket, loop: any EventLoop) throws(TLSError) -> TLSSocket {
        guard let server = server.withLock({ $0 }) else { throw TLSError("there is no certificate") }
        return try server.accept(over: socket, loop: loop)
    }
}
