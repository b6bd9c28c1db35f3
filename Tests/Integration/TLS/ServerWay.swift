// pgleash in front of a server with optional TLS, and the client's view of the connection to the server.

import Foundation
import PostgresProtocol
import TestSupport
import Testing

/// The result of a client, and of the connection from pgleash to the server.
enum ServerWay: Equatable, CustomStringConvertible {
    case plain
    /// With this version of TLS.
    case encrypted(String)
    /// The client got this error, without pgleash's text about the server's address.
    case refused(sqlState: String, reason: String)

    var description: String {
        switch self {
        case .plain: "plain"
        case .encrypted(let version): "encrypted with \(version)"
        case .refused(let sqlState, let reason): "refused with \(sqlState): \(reason)"
        }
    }

    static func insecure(_ reason: String) -> ServerWay { .refused(sqlState: "57P03", reason: reason) }

    static func mismatch(_ host: String) -> ServerWay {
        unverified("server certificate does not match host name \"\(host)\"")
    }

    static func unverified(_ reason: String) -> ServerWay {
        .insecure("SSL error: certificate verify failed: \(reason)")
    }
}

extension PgleashProcess {
    /// - Parameters:
    ///   - port: the server's port.
    ///   - host: its host name.
    ///   - tls: lines of [server].
    ///   - more: lines of other sections.
    convenience init(
        serverPort port: UInt16, host: String = "localhost", tls: [String], more: [String: [String]] = [:]
    ) throws {
        try self.init(server: "\(host):\(port)", configuration: more.merging(["server": tls]) { $0 + $1 })
    }

    /// Connects a client, and asks the server about its connection.
    func wayToServer(user: String = "postgres") throws -> ServerWay {
        let client = try RawClient(port: port)
        try client.send(Frontend.startup(user: user, name: "way"))
        let answer = try client.readMessage()
        guard answer.kind != BackendKind.errorResponse else {
            #expect(try client.readToEnd() == [])
            #expect(answer.field("S") == "FATAL")
            let message = answer.field("M")
            let start = message.firstRange(of: " failed: ")?.upperBound ?? message.startIndex
            return .refused(sqlState: answer.field("C"), reason: String(message[start...]))
        }
        try client.read(until: BackendKind.readyForQuery)
        try client.send(Frontend.query("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
        let row = try client.read(until: BackendKind.readyForQuery).first { $0.kind == UInt8(ascii: "D") }
        // The number of columns, the length of the only one, which is -1 for NULL, and its text.
        let version = String(decoding: row?.body.dropFirst(6) ?? [], as: UTF8.self)
        return version.isEmpty ? .plain : .encrypted(version)
    }
}
