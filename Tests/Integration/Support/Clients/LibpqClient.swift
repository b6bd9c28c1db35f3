// A client that uses libpq, as most drivers do. No call waits without a limit.

import CLibpq
import Foundation
import Testing

/// An error of libpq or the server.
struct LibpqError: Error, CustomStringConvertible {
    let description: String
    /// Empty where the server sent none.
    var sqlState = ""
}

/// One result: its status and, if it has any, its rows.
struct LibpqResult {
    let status: ExecStatusType
    let rows: [[String]]
    let sqlState: String
    let message: String
}

/// One connection, closed with Terminate when the object is released.
@safe final class LibpqClient {
    let connection: OpaquePointer
    private static let timeout = Duration.seconds(30)

    /// - Parameter parameters: a connection string.
    init(_ parameters: String) throws {
        // libpq uses the last value of a repeated keyword.
        guard let connection = unsafe PQconnectdb("connect_timeout=10 sslmode=disable gssencmode=disable " + parameters)
        else {
            throw LibpqError(description: "out of memory")
        }
        unsafe self.connection = unsafe connection
        guard unsafe PQstatus(connection) == CONNECTION_OK else { throw error() }
        // Warnings and notices are not printed in the output of the tests.
        unsafe PQsetNoticeProcessor(connection, { _, _ in }, nil)
    }

    /// Connects to a TCP port of this machine.
    convenience init(port: UInt16, database: String = "postgres", name: String = "libpq", more: String = "") throws {
        try self.init("host=127.0.0.1 port=\(port) user=postgres dbname=\(database) application_name=\(name) \(more)")
    }

    deinit {
        unsafe PQfinish(connection)
    }

    /// Whether the server has not ended the session, as far as it was noticed.
    var isConnected: Bool { unsafe PQstatus(connection) == CONNECTION_OK }

    /// Whether the connection is encrypted with TLS.
    var isEncrypted: Bool { unsafe PQsslInUse(connection) == 1 }

    var backendPID: Int32 { unsafe PQbackendPID(connection) }

    /// Cancels the running query with PQcancel().
    ///
    /// - Returns: whether the request was sent, as far as libpq knows.
    func requestCancel() -> Bool {
        let cancel = unsafe PQgetCancel(connection)
        defer { unsafe PQfreeCancel(cancel) }
        var message = [CChar](repeating: 0, count: 256)
        return unsafe PQcancel(cancel, &message, Int32(message.count)) == 1
    }

    func error() -> LibpqError {
        unsafe LibpqError(description: String(cString: PQerrorMessage(connection)))
    }

    /// Sends a simple query and waits for all of its results.
    ///
    /// - Returns: the rows of the last one.
    @discardableResult
    func query(_ sql: String) throws -> [[String]] {
        guard unsafe PQsendQuery(connection, sql) == 1 else { throw error() }
        return try rows()
    }

    /// Sends a query through the extended protocol.
    @discardableResult
    func query(_ sql: String, _ parameters: [String?]) throws -> [[String]] {
        try send(sql, parameters)
        return try rows()
    }

    /// Sends a query through the extended protocol, without waiting.
    func send(_ sql: String, _ parameters: [String?] = []) throws {
        let sent = unsafe withParameters(parameters) {
            unsafe PQsendQueryParams(connection, sql, Int32(parameters.count), nil, $0, nil, nil, 0)
        }
        guard sent == 1 else { throw error() }
    }

    func withParameters<Result>(
        _ parameters: [String?], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
    ) -> Result {
        let copies = unsafe parameters.map { unsafe $0.flatMap { unsafe strdup($0) } }
        defer { unsafe copies.forEach { unsafe free($0) } }
        return unsafe body(copies.map { unsafe UnsafePointer($0) })
    }

    private func rows() throws -> [[String]] {
        let results = try results()
        if let failed = results.first(where: { $0.status == PGRES_FATAL_ERROR || $0.status == PGRES_BAD_RESPONSE }) {
            throw LibpqError(description: failed.message, sqlState: failed.sqlState)
        }
        return results.last?.rows ?? []
    }

    /// All results up to the one that is nil.
    func results() throws -> [LibpqResult] {
        var results: [LibpqResult] = []
        while let result = try nextResult() { results.append(result) }
        return results
    }

    /// The next result, or nil after the last one of a query.
    func nextResult() throws -> LibpqResult? {
        let deadline = Deadline(after: Self.timeout)
        unsafe PQflush(connection)
        while unsafe PQisBusy(connection) == 1 {
            var query = unsafe pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&query, 1, deadline.milliseconds) > 0 else {
                throw LibpqError(description: "no answer within \(Self.timeout)")
            }
            guard unsafe PQconsumeInput(connection) == 1 else { throw error() }
            unsafe PQflush(connection)
        }
        guard let result = unsafe PQgetResult(connection) else { return nil }
        defer { unsafe PQclear(result) }
        return unsafe LibpqResult(
            status: PQresultStatus(result),
            rows: (0..<PQntuples(result)).map { row in
                unsafe (0..<PQnfields(result)).map { unsafe String(cString: PQgetvalue(result, row, $0)) }
            },
            sqlState: unsafe PQresultErrorField(result, Int32(UInt8(ascii: "C"))).map { unsafe String(cString: $0) }
                ?? "",
            message: unsafe String(cString: PQresultErrorMessage(result))
        )
    }
}

extension LibpqClient {
    /// Begins an endless sleep, and returns once the server runs it; `name` is the session's application_name.
    func fallAsleep(in postgres: PrivatePostgres, name: String) throws {
        try send("SELECT pg_sleep(600)")
        unsafe PQflush(connection)
        try postgres.waitForActive(name, event: "PgSleep")
    }

    /// Cancels such a sleep, and expects that it ends and the session continues.
    func expectCancel(in postgres: PrivatePostgres, name: String) throws {
        try fallAsleep(in: postgres, name: name)
        #expect(requestCancel())
        #expect(try results().map(\.sqlState) == ["57014"])
        #expect(try query("SELECT 'alive'") == [["alive"]])
    }
}
