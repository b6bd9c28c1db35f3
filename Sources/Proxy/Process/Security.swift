// The certificates, keys and authorities that the configuration names, read.

import Logging
import Settings
import TLS
import Upstream

/// What encryption needs beside the configuration, on either side.
package struct Security: Sendable {
    /// All connections are plain ones.
    package static let none = Security(client: .none, server: .none, Configuration())

    let client: ClientSecurity
    let server: ServerSecurity
    /// For messages.
    private let configuration: Configuration

    private init(client: ClientSecurity, server: ServerSecurity, _ configuration: Configuration) {
        self.client = client
        self.server = server
        self.configuration = configuration
    }

    /// - Throws: `SecurityError` when a file or setting can't be used.
    package init(_ configuration: Configuration) throws(SecurityError) {
        self.configuration = configuration
        do throws(TLSError) {
            client = try ClientSecurity(configuration.listen.tls)
        } catch {
            throw SecurityError(error, in: "listen", of: configuration)
        }
        server = try Self.server(configuration)
    }

    /// What the way to the server needs alone.
    ///
    /// - Throws: as `init`.
    package static func server(_ configuration: Configuration) throws(SecurityError) -> ServerSecurity {
        do throws(TLSError) {
            return try ServerSecurity(configuration.server.tls)
        } catch {
            throw SecurityError(error, in: "server", of: configuration)
        }
    }

    /// What is probably not as it was meant to be.
    package var warnings: [ConfigurationWarning] {
        configuration.warnings + (client.hasExpired ? [configuration.expired] : [])
    }

    /// Reads the files again, for the connections to come. What can't be used stays as it was, and the log says so.
    ///
    /// - Returns: whether all could be used.
    func reload(_ log: Logger) -> Bool {
        guard client.readsFiles || server.readsFiles else {
            log.notice("nothing to reload: no certificates configured (configuration changes need a restart)")
            return true
        }
        log.notice("reloading certificates and keys (configuration changes need a restart)")
        let isClientRead = !client.readsFiles || reload("listen", client.reload, log)
        let isServerRead = !server.readsFiles || reload("server", server.reload, log)
        if client.hasExpired { configuration.expired.log(log) }
        return isClientRead && isServerRead
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
