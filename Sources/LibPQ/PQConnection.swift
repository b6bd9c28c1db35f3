// A connection of libpq on an event loop: it connects, and runs prepared statements, without ever waiting.

import Glibc
import Reactor

/// A statement that a connection prepares before its first use.
package struct PQStatement: Sendable {
    let name: String
    let text: String

    package init(_ name: String, _ text: String) {
        (self.name, self.text) = (name, text)
    }
}

/// A connection to a server. It runs one statement at a time. Releasing the object closes it.
@safe package final class PQConnection {
    package enum Event: Equatable, Sendable {
        /// The login is complete.
        case opened
        /// The rows of the statement; a value is nil where it is null.
        case rows([[String?]])
        /// The statement failed, for this reason.
        case failed(String)
        /// The connection could not be made, or is lost; the last event.
        case lost(reason: String, isRefusal: Bool)
    }

    private let library: PQLibrary
    private let loop: LibeventLoop
    private let report: (Event) -> Void
    private let parameters: [(key: String, value: String)]
    private var connection: OpaquePointer?
    private var watch: DescriptorWatch?
    private var failure: (any ScheduledTimer)?
    /// The last message of the server beside those of statements, such as the reason why it ends the connection.
    private var notice: String?
    private var prepared: Set<String> = []
    private var isOpen = false
    /// The statement that runs, with its parameters where it is being prepared.
    private var running: (statement: PQStatement, parameters: [String]?)?
    private var outcome: Event?

    /// - Parameters:
    ///   - parameters: keywords of libpq with their values. A host name must come with its `hostaddr`, as libpq would
    ///     wait for a name server.
    ///   - report: called on the loop's thread; never before `start` returns.
    package init(
        _ library: PQLibrary, loop: LibeventLoop, parameters: [(key: String, value: String)],
        _ report: @escaping (Event) -> Void
    ) {
        (self.library, self.loop, self.parameters, self.report) = (library, loop, parameters, report)
        unsafe connection = nil
    }

    deinit {
        close()
    }

    /// Begins to connect.
    package func start() {
        let keys = CStrings(parameters.map(\.key)), values = CStrings(parameters.map(\.value))
        unsafe connection = library.connectStart(keys.pointer, values.pointer, 0)
        guard let connection = unsafe connection else { return fail(later: "out of memory") }
        let myself = unsafe Unmanaged.passUnretained(self).toOpaque()
        _ = unsafe library.setNoticeProcessor(connection, Self.receiveNotice, myself)
        // Refusals are recognized by their SQLSTATE.
        _ = unsafe library.setErrorVerbosity(connection, Self.verbose)
        // libpq requires that the first wait is for writing.
        if unsafe library.status(connection) == PQLibrary.statusBad { return fail(later: errorMessage) }
        watchFor(.write)
    }

    /// Runs `statement`; `rows` or `failed` follows, or `lost`. Called only while the connection is open and no other
    /// statement runs.
    package func run(_ statement: PQStatement, _ parameters: [String]) {
        outcome = nil
        if prepared.contains(statement.name) {
            send(statement, parameters)
        } else {
            prepare(statement, parameters)
        }
    }

    /// Closes the connection. No event follows.
    package func close() {
        failure = nil
        stopWatching()
        guard let connection = unsafe connection else { return }
        unsafe library.finish(connection)
        unsafe self.connection = nil
    }

    /// pgleash's own address; nil for a connection that is not open.
    package var localAddress: SocketAddress? {
        guard let connection = unsafe connection else { return nil }
        return SocketAddress(localOf: unsafe library.socket(connection))
    }

    // MARK: Events

    private func becameReady() {
        isOpen ? receive() : poll()
    }

    private func poll() {
        guard let connection = unsafe connection else { return }
        // libpq may close the descriptor and open another one.
        stopWatching()
        switch unsafe library.connectPoll(connection) {
        case Self.pollReading: watchFor(.read)
        case Self.pollWriting: watchFor(.write)
        case Self.pollOK:
            isOpen = true
            _ = unsafe library.setErrorVerbosity(connection, Self.terse)
            _ = unsafe library.setNonblocking(connection, 1)
            watchFor(.read)
            report(.opened)
        default: lose()
        }
    }

    private func stopWatching() {
        watch?.close()
        watch = nil
    }

    private func watchFor(_ interest: Interest) {
        guard let connection = unsafe connection else { return }
        let watch = DescriptorWatch(loop: loop, descriptor: unsafe library.socket(connection)) { [unowned self] in
            becameReady()
        }
        watch.interest = interest
        self.watch = watch
    }

    private func receive() {
        guard let connection = unsafe connection else { return }
        guard unsafe library.consumeInput(connection) == 1 else { return lose() }
        flush()
        // Reads messages, also where none is expected.
        _ = unsafe library.isBusy(connection)
        while running != nil, unsafe library.isBusy(connection) == 0 {
            guard let result = unsafe library.getResult(connection) else { return concluded() }
            outcome = unsafe event(of: result)
            unsafe library.clear(result)
        }
    }

    private func event(of result: OpaquePointer) -> Event {
        switch unsafe library.resultStatus(result) {
        case Self.commandOK: .rows([])
        case Self.tuplesOK: unsafe .rows(rows(of: result))
        default: unsafe .failed(PQLibrary.line(library.resultErrorMessage(result)))
        }
    }

    private func rows(of result: OpaquePointer) -> [[String?]] {
        let columns = unsafe library.columnCount(result)
        let count = unsafe library.rowCount(result)
        return (0..<count).map { row in (0..<columns).map { unsafe value(in: result, row, $0) } }
    }

    private func value(in result: OpaquePointer, _ row: Int32, _ column: Int32) -> String? {
        guard unsafe library.isNull(result, row, column) == 0 else { return nil }
        return unsafe library.value(result, row, column).map { unsafe String(cString: $0) }
    }

    /// All results of the message have arrived.
    private func concluded() {
        guard let (statement, parameters) = running, let outcome else { return }
        running = nil
        if let parameters, case .rows = outcome {
            prepared.insert(statement.name)
            return send(statement, parameters)
        }
        report(outcome)
    }

    // MARK: Requests

    private func prepare(_ statement: PQStatement, _ parameters: [String]) {
        guard let connection = unsafe connection else { return }
        running = (statement, parameters)
        guard unsafe library.sendPrepare(connection, statement.name, statement.text, 0, nil) == 1 else {
            return fail(later: errorMessage)
        }
        flush()
    }

    private func send(_ statement: PQStatement, _ parameters: [String]) {
        guard let connection = unsafe connection else { return }
        running = (statement, nil)
        let values = CStrings(parameters)
        let isSent = unsafe library.sendQueryPrepared(
            connection, statement.name, Int32(clamping: parameters.count), values.pointer, nil, nil, 0
        )
        guard isSent == 1 else { return fail(later: errorMessage) }
        flush()
    }

    private func flush() {
        guard let connection = unsafe connection else { return }
        switch unsafe library.flush(connection) {
        case 0: watch?.interest = .read
        case 1: watch?.interest = [.read, .write]
        default: fail(later: errorMessage)
        }
    }

    // MARK: The end

    private func lose() {
        let reason = notice ?? errorMessage
        let isRefusal = !isOpen && Self.refusals.contains { reason.contains($0) }
        close()
        report(.lost(reason: reason, isRefusal: isRefusal))
    }

    /// Not reported directly, as the caller is not prepared for it.
    private func fail(later reason: String) {
        stopWatching()
        failure = loop.schedule(after: .zero) { [unowned self] in
            close()
            report(.lost(reason: reason, isRefusal: false))
        }
    }

    private var errorMessage: String {
        guard let connection = unsafe connection else { return "out of memory" }
        return unsafe PQLibrary.line(library.errorMessage(connection))
    }

    private static let receiveNotice: PQLibrary.NoticeProcessor = { context, message in
        guard let context = unsafe context else { return }
        unsafe Unmanaged<PQConnection>.fromOpaque(context).takeUnretainedValue().notice = PQLibrary.line(message)
    }

    /// Messages that a password or a role was refused: SQLSTATE class 28, and libpq's own.
    private static let refusals = ["28P01", "28000", "no password supplied"]

    // The values of libpq-fe.h.
    private static let terse: UInt32 = 0
    private static let verbose: UInt32 = 2
    private static let pollReading: UInt32 = 1
    private static let pollWriting: UInt32 = 2
    private static let pollOK: UInt32 = 3
    private static let commandOK: UInt32 = 1
    private static let tuplesOK: UInt32 = 2
}
