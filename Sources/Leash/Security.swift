// The certificates, keys and authorities that the configuration names, read.

import Logging
import TLS

/// What encryption needs beside the configuration, on either side.
package struct Security: Sendable {
    /// All connections are plain ones.
    package static let none = Security(client: .none, server: .none)

    let client: ClientSecurity
    let server: ServerSecurity

    private init(client: ClientSecurity, server: ServerSecurity) {
        self.client = client
        self.server = server
    }

    /// - Throws: `StartError` when a file can't be used.
    package init(_ configuration: Configuration) throws(StartError) {
        do throws(TLSError) {
            client = try ClientSecurity(configuration.listen.tls)
        } catch {
            throw StartError(description: "[listen] \(error)")
        }
        do throws(TLSError) {
            server = try ServerSecurity(configuration.server.tls)
        } catch {
            throw StartError(description: "[server] \(error)")
        }
    }

    /// Reads the files again, for the connections to come. What can't be used stays as it was, and the log says so.
    func reload(_ log: Logger) {
        let sides: [(section: String, reload: () throws(TLSError) -> Void)] = [
            ("listen", client.reload), ("server", server.reload),
        ]
        for (section, reload) in sides {
            do throws(TLSError) {
                try reload()
            } catch {
                log.error("certificates stay as they were", metadata: ["section": "\(section)", "reason": "\(error)"])
            }
        }
        log.notice("SIGHUP: certificates and keys were read again; the configuration is read at start only")
    }
}
