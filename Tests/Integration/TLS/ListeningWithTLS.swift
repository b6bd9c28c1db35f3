// A pgleash with a certificate for its clients, and clients that verify it.

import Foundation
import TestSupport

extension PgleashProcess {
    /// - Parameters:
    ///   - mode: `[listen] sslmode`.
    ///   - more: further lines of [listen].
    ///   - certificate: the certificate for clients.
    ///   - address: the address that clients connect to, where that is not 127.0.0.1.
    ///   - server: lines of [server], where that is the one that encrypts.
    convenience init(
        listening mode: String,
        _ more: [String] = [],
        certificate: Certificates.Server = .right,
        at address: String? = "127.0.0.1:PORT",
        server: [String]? = nil
    ) throws {
        let files = Certificates.shared
        let lines = [
            "sslmode = \(mode)", "ssl_cert_file = \(files[certificate])", "ssl_key_file = \(files.serverKey)",
        ]
        try self.init(
            server: (server == nil ? PrivatePostgres.shared : .encrypting).address,
            listen: address, configuration: ["listen": lines + more, "server": server ?? ["sslmode = disable"]]
        )
    }

    /// A client that requires TLS, and a certificate for the address that it connects to.
    func connectEncrypted(_ more: String = "") throws -> LibpqClient {
        try LibpqClient(
            port: port, more: "sslmode=verify-full sslrootcert=\(Certificates.shared.authority) \(more)"
        )
    }
}
