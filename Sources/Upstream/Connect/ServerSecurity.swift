// Whether connections to the server are encrypted, and what the server has to prove: libpq's sslmode and its relatives.

import Reactor
import Settings
import Synchronization
import TLS

/// How a connection to the server is to be protected.
package enum Protection: Sendable {
    /// As `sslmode` has it.
    case asConfigured
    /// As the session's was that it is about: not at all.
    case plain
    /// The same: encrypted, with all that `sslmode` asks for, or there is no connection.
    case encrypted
}

/// What is needed to encrypt connections to the server.
package final class ServerSecurity: Sendable {
    /// What is to be done about one connection.
    enum Plan {
        case plain
        /// Without agreement there is no connection.
        case encrypt
        /// Without agreement the connection is a plain one.
        case tryToEncrypt
    }

    /// Connections are plain ones.
    package static let none = ServerSecurity(mode: .disable)

    /// Connections are encrypted where the server offers it, and nothing is verified.
    private static let opportunistic = ServerSecurity(mode: .prefer)

    let negotiation: SSLNegotiation
    private let mode: SSLMode
    private let options: TLSClientOptions
    private let client = Locked<TLSClient?>(nil)
    private let hasWarned = Atomic(false)

    /// - Throws: `TLSError` when a file can't be used.
    package convenience init(_ settings: Configuration.ServerTLS) throws(TLSError) {
        self.init(mode: settings.mode, settings.negotiation, settings.options)
        // Where no file has to be read it can wait until a server wants it: OpenSSL takes 1.5 MB to get going.
        if mode != .disable, mode != .prefer || options.certificate != nil { try reload() }
    }

    private init(
        mode: SSLMode, _ negotiation: SSLNegotiation = .postgres, _ options: TLSClientOptions = TLSClientOptions()
    ) {
        self.mode = mode
        self.negotiation = negotiation
        self.options = options
    }

    /// The same, or, where connections are plain ones, one that encrypts what can be encrypted.
    var orOpportunistic: ServerSecurity { mode == .disable ? .opportunistic : self }

    /// There is no connection in clear text, but for Unix sockets.
    var isTLSRequired: Bool { mode != .disable && mode != .prefer }

    package var readsFiles: Bool { mode != .disable && (options.authorities != nil || options.certificate != nil) }

    /// Reads the files again, for the connections to come. When one can't be used, all stays as it was.
    package func reload() throws(TLSError) {
        guard mode != .disable else { return }
        let read = try TLSClient(options)
        client.withLock { $0 = read }
    }

    func tlsClient() throws(TLSError) -> TLSClient {
        if let client = client.withLock({ $0 }) { return client }
        let made = try TLSClient(options)
        client.withLock { $0 = made }
        return made
    }

    /// Whether what is to be said once about the server may be said.
    package func shouldWarn() -> Bool { !hasWarned.exchange(true, ordering: .relaxed) }

    /// For an address of the server's; a Unix socket has nobody who could listen.
    func plan(_ protection: Protection, for address: SocketAddress) -> Plan {
        if mode == .disable || address.isUnix { return .plain }
        switch protection {
        case .plain: return .plain
        case .encrypted: return .encrypt
        case .asConfigured: return mode == .prefer ? .tryToEncrypt : .encrypt
        }
    }
}
