// The certificates, keys and authorities that the configuration names, read.

import TLS

/// What encryption needs beside the configuration: the files it names, read.
package struct Security: Sendable {
    let server: ServerSecurity

    /// - Throws: `StartError` when a file can't be used.
    package init(_ configuration: Configuration) throws(StartError) {
        do throws(TLSError) {
            server = try ServerSecurity(configuration.server.tls)
        } catch {
            throw StartError(description: "[server] \(error)")
        }
    }
}
