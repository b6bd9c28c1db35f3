// The encryption of clients' connections, and the certificate for clients.

import Reactor
import Settings
import TLS

/// The TLS configuration of clients' connections.
package final class ClientSecurity: Sendable {
    /// Connections are not encrypted.
    package static let none = ClientSecurity(mode: .disable, nil)

    private let mode: ClientSSLMode
    private let options: TLSServerOptions?
    private let server = Locked<TLSServer?>(nil)

    /// - Throws: `TLSError` when a file cannot be used.
    package convenience init(_ settings: Configuration.ListenTLS) throws(TLSError) {
        self.init(mode: settings.mode, settings.options)
        try reload()
    }

    private init(mode: ClientSSLMode, _ options: TLSServerOptions?) {
        self.mode = mode
        self.options = options
    }

    var readsFiles: Bool { mode == .allow || mode == .require }

    /// Reads the files again, for new connections. When one cannot be used, nothing changes.
    func reload() throws(TLSError) {
        guard readsFiles, let options else { return }
        let read = try TLSServer(options)
        server.withLock { $0 = read }
    }

    /// Whether the certificate for clients has expired.
    var hasExpired: Bool { server.withLock { $0?.hasExpired ?? false } }

    /// The end of the validity of the certificate for clients, in seconds since 1970; nil where there is none.
    var certificateExpiry: (file: String, notAfter: Int64)? {
        guard let options, let notAfter = server.withLock({ $0?.notAfter }) else { return nil }
        return (options.certificate, notAfter)
    }

    /// Whether a client may use TLS with pgleash. A Unix socket cannot be eavesdropped on.
    func offersTLS(to client: SocketAddress) -> Bool { readsFiles && !client.isUnix }

    /// Whether a client's TLS goes on to the server.
    func passesTLS(of client: SocketAddress) -> Bool { mode == .passthrough && !client.isUnix }

    /// Whether a client must use TLS.
    func demandsTLS(of client: SocketAddress) -> Bool { mode == .require && !client.isUnix }

    func accept(over socket: any StreamSocket, loop: any EventLoop) throws(TLSError) -> TLSSocket {
        guard let server = server.withLock({ $0 }) else { throw TLSError("there is no certificate") }
        return try server.accept(over: socket, loop: loop)
    }
}
