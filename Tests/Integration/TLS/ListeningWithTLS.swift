// A pgleash that shows its clients a certificate, and clients that want to see one.

import Foundation
import TestSupport

extension PgleashProcess {
    /// - Parameters:
    ///   - mode: `[listen] sslmode`.
    ///   - more: further lines of [listen].
    ///   - certificate: what clients are shown.
    ///   - address: where clients connect, where that is not 127.0.0.1.
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

    /// A client that demands TLS, and that the certificate is for the address it connects to.
    func connectEncrypted(_ more: String = "") throws -> LibpqClient {
        try LibpqClient(
            port: port, more: "sslmode=verify-full sslrootcert=\(Certificates.shared.authority) \(more)"
        )
    }
}
