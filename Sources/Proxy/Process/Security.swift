// The configured certificates, keys and authorities, loaded.

import Logging
import Reactor
import Settings
import TLS
import Telemetry
import Upstream

/// The TLS state of both sides beside the configuration.
package struct Security: Sendable {
    /// No connection is encrypted.
    package static let none = Security(client: .none, server: .none, Configuration())

    let client: ClientSecurity
    let server: ServerSecurity
    private let lastReload = Locked(ReloadResult(successTime: WallTime.now.seconds))
    /// For messages.
    private let configuration: Configuration

    private init(client: ClientSecurity, server: ServerSecurity, _ configuration: Configuration) {
        self.client = client
        self.server = server
        self.configuration = configuration
    }

    /// - Throws: `SecurityError` when a file or setting cannot be used.
    package init(_ configuration: Configuration) throws(SecurityError) {
        self.configuration = configuration
        do throws(TLSError) {
            client = try ClientSecurity(configuration.listen.tls)
        } catch {
            throw SecurityError(error, in: "listen", of: configuration)
        }
        server = try Self.server(configuration)
    }

    /// The part that connections to the server need.
    ///
    /// - Throws: as `init`.
    package static func server(_ configuration: Configuration) throws(SecurityError) -> ServerSecurity {
        do throws(TLSError) {
            return try ServerSecurity(configuration.server.tls)
        } catch {
            throw SecurityError(error, in: "server", of: configuration)
        }
    }

    /// Warnings about settings that are probably mistakes.
    package var warnings: [ConfigurationWarning] {
        configuration.warnings + (client.hasExpired ? [configuration.expired] : [])
    }

    /// The result of the last reading of the files.
    var reloadResult: ReloadResult { lastReload.withLock { $0 } }

    /// The ends of the validity of the certificates that pgleash presents.
    var certificateExpiries: [CertificateExpiry] {
        [client.certificateExpiry, server.certificateExpiry].compactMap { $0 }
            .map { CertificateExpiry(file: $0.file, notAfter: $0.notAfter) }
    }

    /// Reads the files again, for new connections. Files that cannot be used change nothing, and the log reports them.
    ///
    /// - Returns: whether all files could be used.
    func reload(_ log: Logger) -> Bool {
        guard client.readsFiles || server.readsFiles else {
            log.notice("nothing to reload: no certificates configured (configuration changes need a restart)")
            return true
        }
        log.notice("reloading certificates and keys (configuration changes need a restart)")
        let isClientRead = !client.readsFiles || reload("listen", client.reload, log)
        let isServerRead = !server.readsFiles || reload("server", server.reload, log)
        if client.hasExpired { configuration.expired.log(log) }
        let isRead = isClientRead && isServerRead
        lastReload.withLock { last in
            last.isSuccess = isRead
            if isRead { last.successTime = WallTime.now.seconds }
        }
        return isRead
    }

    private func reload(_ section: String, _ reload: () throws(TLSError) -> Void, _ log: Logger) -> Bool {
        do throws(TLSError) {
            try reload()
            log.notice("certificates reloaded", metadata: ["section": "\(section)"])
            return true
        } catch {
            let reason = SecurityError(error, in: section, of: configuration)
            log.error(
                "reload failed, keeping the previous certificates",
                metadata: ["section": "\(section)", "reason": "\(reason)"])
            return false
        }
    }
}
