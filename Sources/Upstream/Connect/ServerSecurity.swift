// The encryption of connections to the server, and the server's required proofs: libpq's sslmode and related options.

import Reactor
import Settings
import Synchronization
import TLS

/// The protection of a connection to the server.
package enum Protection: Sendable {
    /// As `sslmode` requires.
    case asConfigured
    /// Unencrypted, as the connection of the session that the cancel is for.
    case plain
    /// Encrypted, with all that `sslmode` requires, as the connection of the session; otherwise there is no connection.
    case encrypted
}

/// The TLS configuration of connections to the server.
package final class ServerSecurity: Sendable {
    /// The steps for one connection.
    enum Plan {
        case plain
        /// The connection fails if it cannot be encrypted.
        case encrypt
        /// The connection is unencrypted if it cannot be encrypted.
        case tryToEncrypt
    }

    /// Connections are not encrypted.
    package static let none = ServerSecurity(mode: .disable)

    /// Connections are encrypted where the server supports it, and nothing is verified.
    private static let opportunistic = ServerSecurity(mode: .prefer)

    let negotiation: SSLNegotiation
    private let mode: SSLMode
    private let options: TLSClientOptions
    private let client = Locked<TLSClient?>(nil)
    private let hasWarned = Atomic(false)

    /// - Throws: `TLSError` when a file cannot be used.
    package convenience init(_ settings: Configuration.ServerTLS) throws(TLSError) {
        self.init(mode: settings.mode, settings.negotiation, settings.options)
        // Where no file is read this can wait until a server offers TLS: OpenSSL's initialization takes 1.5 MB.
        if mode != .disable, mode != .prefer || options.certificate != nil { try reload() }
    }

    private init(
        mode: SSLMode, _ negotiation: SSLNegotiation = .postgres, _ options: TLSClientOptions = TLSClientOptions()
    ) {
        self.mode = mode
        self.negotiation = negotiation
        self.options = options
    }

    /// The same object, or, where connections are not encrypted, one that encrypts them where the server supports it.
    var orOpportunistic: ServerSecurity { mode == .disable ? .opportunistic : self }

    /// There is no unencrypted connection, except over Unix sockets.
    var isTLSRequired: Bool { mode != .disable && mode != .prefer }

    package var readsFiles: Bool { mode != .disable && (options.authorities != nil || options.certificate != nil) }

    /// Reads the files again, for new connections. When one cannot be used, nothing changes.
    package func reload() throws(TLSError) {
        guard mode != .disable else { return }
        let read = try TLSClient(options)
        client.withLock { $0 = read }
    }

    /// The end of the validity of the client certificate, in seconds since 1970; nil where there is none.
    package var certificateExpiry: (file: String, notAfter: Int64)? {
        guard let file = options.certificate, let notAfter = client.withLock({ $0?.notAfter }) else { return nil }
        return (file, notAfter)
    }

    func tlsClient() throws(TLSError) -> TLSClient {
        if let client = client.withLock({ $0 }) { return client }
        let made = try TLSClient(options)
        client.withLock { $0 = made }
        return made
    }

    /// Whether a warning that is logged once only has not been logged.
    package func shouldWarn() -> Bool { !hasWarned.exchange(true, ordering: .relaxed) }

    /// The plan for an address of the server. A Unix socket cannot be eavesdropped on.
    func plan(_ protection: Protection, for address: SocketAddress) -> Plan {
        if mode == .disable || address.isUnix { return .plain }
        switch protection {
        case .plain: return .plain
        case .encrypted: return .encrypt
        case .asConfigured: return mode == .prefer ? .tryToEncrypt : .encrypt
        }
    }
}
