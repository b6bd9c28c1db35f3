// A client of the HTTP endpoints: the real curl.

import Foundation
import TestSupport

/// The answer to a request.
struct HTTPAnswer {
    let status: Int
    /// The header fields, as they were sent.
    let header: String
    let body: String

    /// - Throws: where the body is no JSON object.
    func object() throws -> [String: Any] {
        guard let object = try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any] else {
            throw TimedOut(description: "no object: \(body.prefix(200))")
        }
        return object
    }
}

/// Asks `path` of the server at `port` or on a socket.
///
/// - Parameters:
///   - arguments: further arguments of curl.
///   - duration: the time for the answer.
func curl(
    _ path: String, port: UInt16, _ arguments: [String] = [], within duration: Duration = .seconds(10)
) throws -> HTTPAnswer {
    let words =
        ["--silent", "--show-error", "--dump-header", "/dev/stderr", "--globoff"]
        + ["--max-time", "\(Int(duration / .seconds(1)))"] + arguments + ["http://127.0.0.1:\(port)/\(path)"]
    let result = try ChildProcess.run(Programs.system("curl"), words, within: duration + .seconds(2))
    guard result.exit == .code(0),
        let status = result.error.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    else { throw TimedOut(description: "no answer to \(path): \(result.error)") }
    return HTTPAnswer(status: status, header: result.error, body: result.output)
}

/// A pgleash with HTTP endpoints on a port of their own.
struct MonitoredPgleash {
    let pgleash: PgleashProcess
    let httpPort: UInt16

    init(
        server: String = PrivatePostgres.shared.address, configuration: [String: [String]] = [:],
        arguments: [String] = []
    ) throws {
        let port = try freePort()
        httpPort = port
        pgleash = try PgleashProcess(
            server: server, configuration: configuration, arguments: arguments + ["--http", "127.0.0.1:\(port)"]
        )
    }

    func get(_ path: String, _ arguments: [String] = []) throws -> HTTPAnswer {
        try curl(path, port: httpPort, arguments)
    }

    /// Every metric by `name` or `name{label="value"}`.
    func metrics() throws -> Report { try Report(parsing: get("metrics").body) }
}
