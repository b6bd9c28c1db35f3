// TLS between the client and us, before its StartupMessage: asked for by an SSLRequest, or begun at once.

import PostgresProtocol
import TLS

extension Session {
    /// What a TLS connection begins with: the type of a handshake record.
    private static let handshakeRecord: UInt8 = 0x16

    /// A client that has not said anything yet may begin with TLS at once (libpq's `sslnegotiation=direct`).
    ///
    /// - Returns: whether it did.
    func beginsWithTLS() -> Bool {
        guard worker.clientSecurity.offersTLS(to: clientAddress), !hasSpoken, let first = client.peek() else {
            return false
        }
        hasSpoken = true
        guard first == Self.handshakeRecord else { return false }
        encrypt(isDirect: true)
        return true
    }

    /// Answers an SSLRequest.
    func answerEncryptionRequest() {
        guard worker.clientSecurity.offersTLS(to: clientAddress) else { return refuseEncryption() }
        // What follows in clear text would be taken for what was said under encryption (CVE-2021-23214).
        guard client.peek() == nil else {
            return refuseMalformed("received unencrypted data after SSL request", .protocolViolation)
        }
        guard client.send(encryptionAccepted) == .bytes(encryptionAccepted.count) else { return end(.clientClosed) }
        encrypt(isDirect: false)
    }

    private func encrypt(isDirect: Bool) {
        client.interest = []
        do throws(TLSError) {
            let tls = try worker.clientSecurity.accept(over: client, loop: worker.loop)
            client = tls
            stage = .encrypting
            tls.handshake { [unowned self, unowned tls] in encrypted(tls, $0, isDirect) }
        } catch {
            failToEncrypt("\(error)")
        }
    }

    private func encrypted(_ tls: TLSSocket, _ error: TLSError?, _ isDirect: Bool) {
        if let error { return failToEncrypt("\(error)") }
        if isDirect, !tls.hasAgreedOnProtocol {
            return failToEncrypt(
                "received direct SSL connection request without ALPN protocol negotiation extension"
            )
        }
        client.owner = self
        stage = .startup(StartupReader())
        client.interest = .read
        // It may have come together with the end of the handshake.
        readStartup()
    }

    private func failToEncrypt(_ reason: String) {
        worker.logThrottled(
            .info, "could not accept SSL connection", ["client": "\(clientAddress)", "reason": "\(reason)"]
        )
        end(.sslFailed)
    }

    /// A client that should have asked for TLS and did not.
    ///
    /// - Returns: whether it was refused for that.
    func isRefusedForPlainText() -> Bool {
        guard worker.clientSecurity.demandsTLS(of: clientAddress), client.encryptedPeerName == nil else { return false }
        worker.logThrottled(.info, "SSL connection is required", logMetadata)
        let detail = "pgleash takes no other here: [listen] sslmode = require."
        refuse(
            FatalError(.invalidAuthorizationSpecification, "SSL connection is required", detail: detail), .sslRequired
        )
        return true
    }
}
