// The first stage of a client's connection: from the accept to its StartupMessage or CancelRequest, TLS included.

import CancelPolicy
import PostgresProtocol
import Reactor
import TLS
import Telemetry

/// A client that has not sent its first packet.
final class ClientHandshake: Stage {
    /// The first byte of a TLS connection: the type of a handshake record.
    private static let handshakeRecord: UInt8 = 0x16

    private var client: any StreamSocket
    private var reader = StartupReader()
    /// The TLS handshake is under way; the client's first packet follows after it.
    private var isEncrypting = false
    /// The client's first byte has arrived.
    private var hasReceivedBytes = false
    private var sslAnswered = false
    private var gssAnswered = false
    private var timer = StageTimer()
    /// The name that the client sent.
    private var applicationName = ""

    init(_ id: SessionID, _ worker: Worker, client accepted: AcceptedSocket) {
        client = worker.loop.adopt(accepted)
        super.init(id, worker, clientAddress: accepted.peer)
        client.owner = self
    }

    /// The server has refused the TLS of a client; the client's next packet follows.
    init(after previous: Tunnel, _ client: any StreamSocket) {
        self.client = client
        super.init(after: previous)
        client.owner = self
        (sslAnswered, hasReceivedBytes) = (true, true)
        _ = client.send(encryptionRefused)
    }

    /// Begins to read from the client, and handles the bytes that have arrived; the stage may be over after this.
    func begin() {
        timer.set(worker.loop, after: worker.environment.configuration.listen.authenticationTimeout) { [unowned self] in
            let awaited = isEncrypting ? "TLS handshake" : "startup packet"
            worker.logBeforeLogin(.info, "no \(awaited) in time", logMetadata)
            end(.authenticationTimeout)
        }
        client.interest = .read
        // The client sends first, and most often it has done so.
        read()
    }

    override func socket(_ socket: any StreamSocket, became readiness: Readiness) { read() }

    override func shutDown() {
        if isEncrypting { return end(.shutdown) }
        refuse(client, FatalError(.cannotConnectNow, "pgleash is shutting down"), .shutdown)
    }

    override func stopWaiting() { timer.cancel() }

    override func close() { client.close() }

    override var name: String { "startup" }

    override var backend: Backend { Backend(applicationName: applicationName) }

    override var encryption: SessionSnapshot.Encryption { .init(ofClient: client, ofServer: nil) }

    /// Continues to read the client's first packet.
    private func read() {
        guard !isEncrypting, !beginsWithTLS() else { return }
        switch reader.read(from: client, into: worker.receiveBuffer) {
        case .incomplete: break
        case .endOfStream: end(.clientClosed)
        case .failed(let error): end(DropKind(error).idleEnd)
        case .malformed(let reason): refuseMalformed(reason)
        case .complete(let packet, let bytes): handle(packet, bytes)
        }
    }

    private func handle(_ packet: StartupPacket, _ bytes: [UInt8]) {
        worker.counters.client.bytes.add(Int64(bytes.count))
        worker.counters.client.messages.add()
        switch packet {
        case .sslRequest where !sslAnswered && worker.environment.security.client.passesTLS(of: clientAddress):
            passThrough(bytes)
        case .sslRequest where !sslAnswered && client.encryptedPeerName == nil:
            sslAnswered = true
            answerEncryptionRequest()
        case .gssEncryptionRequest where !gssAnswered:
            gssAnswered = true
            refuseEncryption()
        case .sslRequest, .gssEncryptionRequest:
            // One request of each kind is allowed, as in PostgreSQL, so a client cannot continue without end.
            refuseMalformed(.unsupportedProtocol(major: 1234, minor: packet == .sslRequest ? 5679 : 5680))
        case .cancelRequest(let key): CancelRelay(after: self, client, key).begin()
        case .startup(let message):
            identify(message)
            applicationName = message.applicationName
            if isRefusedForPlainText() { return }
            guard acquirePlace() else { return refuseOneTooMany() }
            warnOfUnknownSettings(of: message, in: bytes)
            let state = SessionState(
                isReplication: message.isReplication,
                applicationName: message.applicationName,
                exclusion: exclusion(of: message, in: bytes)
            )
            SessionOpening(after: self, client, state, firstBytes: bytes).begin()
        }
    }

    private func exclusion(of client: StartupMessage, in packet: [UInt8]) -> SessionExclusion {
        let exclusion = worker.environment.configuration.cancel.exclusion
        let reason = exclusion.reason(for: client, in: packet.span)
        if reason == .session { return .whole }
        let names = exclusion.applicationNames
        return names.isEmpty ? .none : .byName(names, isGiven: reason == .applicationName)
    }

    /// PostgreSQL accepts any name with a dot, so nothing else would report a misspelt one.
    private func warnOfUnknownSettings(of client: StartupMessage, in packet: [UInt8]) {
        for setting in client.unknownSettings(in: packet.span) {
            let metadata = logMetadata(["setting": "\(setting)", "known": "pgleash.cancel=on, pgleash.cancel=off"])
            worker.logThrottled(.warning, "unknown pgleash setting in startup packet", metadata)
        }
    }

    private func refuseOneTooMany() {
        let detail =
            "pgleash serves max_sessions = \(worker.environment.configuration.listen.maxSessions) clients at a time."
        worker.logBeforeLogin(.warning, "sorry, too many clients already", logMetadata)
        refuse(
            client, FatalError(.tooManyConnections, "sorry, too many clients already", detail: detail), .tooManyClients
        )
    }

    private func refuseMalformed(_ reason: StartupPacket.Malformed) {
        refuseMalformed("\(reason)", reason.sqlState)
    }

    private func refuseMalformed(_ reason: String, _ sqlState: SQLState) {
        worker.counters.protocolErrors[.client].add()
        worker.logBeforeLogin(
            .warning, "invalid startup packet", ["client": "\(clientAddress)", "reason": "\(reason)"])
        refuse(client, FatalError(sqlState, reason), .protocolError)
    }
}

// MARK: - TLS

extension ClientHandshake {
    /// A client that has sent nothing yet may begin TLS at once (libpq's `sslnegotiation=direct`).
    ///
    /// - Returns: whether it did.
    private func beginsWithTLS() -> Bool {
        let security = worker.environment.security.client
        guard security.offersTLS(to: clientAddress) || security.passesTLS(of: clientAddress), !hasReceivedBytes,
            let first = client.peek()
        else {
            return false
        }
        hasReceivedBytes = true
        guard first == Self.handshakeRecord else { return false }
        security.passesTLS(of: clientAddress) ? passThrough([]) : encrypt(isDirect: true)
        return true
    }

    /// TLS is between the client and the server.
    ///
    /// - Parameter bytes: those that were read.
    private func passThrough(_ bytes: [UInt8]) {
        guard acquirePlace() else {
            // A client that awaits TLS would not understand an error.
            return bytes.isEmpty ? end(.tooManyClients) : refuseOneTooMany()
        }
        SessionOpening(after: self, client, tunnelFrom: bytes).begin()
    }

    /// Answers an SSLRequest.
    private func answerEncryptionRequest() {
        guard worker.environment.security.client.offersTLS(to: clientAddress) else { return refuseEncryption() }
        // Bytes that follow unencrypted would be taken for encrypted ones (CVE-2021-23214).
        guard client.peek() == nil else {
            return refuseMalformed("received unencrypted data after SSL request", .protocolViolation)
        }
        guard client.send(encryptionAccepted) == .bytes(encryptionAccepted.count) else { return end(.clientClosed) }
        encrypt(isDirect: false)
    }

    private func refuseEncryption() {
        reader = StartupReader()
        guard client.send(encryptionRefused) == .bytes(encryptionRefused.count) else { return end(.clientClosed) }
        // The next packet may have arrived already; the loop reports it.
    }

    private func encrypt(isDirect: Bool) {
        client.interest = []
        do throws(TLSError) {
            let tls = try worker.environment.security.client.accept(over: client, loop: worker.loop)
            client = tls
            isEncrypting = true
            tls.handshake { [unowned self, unowned tls] in encrypted(tls, $0, isDirect) }
        } catch {
            failToEncrypt("\(error)")
        }
    }

    private func encrypted(_ tls: TLSSocket, _ error: TLSError?, _ isDirect: Bool) {
        // Health checks and port scans end here.
        if error == .peerClosed { return end(.clientClosed) }
        if let error { return failToEncrypt("\(error)") }
        if isDirect, !tls.hasAgreedOnProtocol {
            return failToEncrypt(
                "received direct SSL connection request without ALPN protocol negotiation extension"
            )
        }
        client.owner = self
        (reader, isEncrypting) = (StartupReader(), false)
        client.interest = .read
        // The packet may have arrived with the end of the handshake.
        read()
    }

    private func failToEncrypt(_ reason: String) {
        worker.logBeforeLogin(
            .info, "could not accept SSL connection", ["client": "\(clientAddress)", "reason": "\(reason)"]
        )
        end(.sslFailed)
    }

    /// Refuses a client without TLS where TLS is required.
    ///
    /// - Returns: whether it was refused.
    private func isRefusedForPlainText() -> Bool {
        guard worker.environment.security.client.demandsTLS(of: clientAddress), client.encryptedPeerName == nil else {
            return false
        }
        worker.logBeforeLogin(.info, "SSL connection is required", logMetadata)
        let detail = "pgleash is configured with [listen] sslmode = require."
        let error = FatalError(.invalidAuthorizationSpecification, "SSL connection is required", detail: detail)
        refuse(client, error, .sslRequired)
        return true
    }
}
