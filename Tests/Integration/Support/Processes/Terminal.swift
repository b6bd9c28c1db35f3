// A terminal for an interactive program: its input, its output, and its end when its window is closed.

import Foundation

/// A pseudo-terminal. When the object is released, or is closed, the program on it gets SIGHUP from the kernel.
final class Terminal {
    /// The device on which a program is started.
    let device: String
    private var descriptor: Int32

    init() throws {
        var ends: (own: Int32, others: Int32) = (-1, -1)
        var name = [CChar](repeating: 0, count: 128)
        guard unsafe openpty(&ends.own, &ends.others, &name, nil, nil) == 0 else {
            throw TimedOut(description: unsafe "no pseudo-terminal: \(String(cString: strerror(errno)))")
        }
        Foundation.close(ends.others)
        _ = fcntl(ends.own, F_SETFD, FD_CLOEXEC)
        descriptor = ends.own
        device = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit {
        close()
    }

    /// The window is closed, or the connection to it breaks.
    func close() {
        guard descriptor >= 0 else { return }
        Foundation.close(descriptor)
        descriptor = -1
    }

    func type(_ text: String) {
        let bytes = Array(text.utf8)
        _ = unsafe write(descriptor, bytes, bytes.count)
    }

    /// Reads the output of the terminal until `text` is in it.
    @discardableResult
    func wait(for text: String, within duration: Duration = .seconds(20)) throws -> String {
        let deadline = Deadline(after: duration)
        var shown: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let words = String(decoding: shown, as: UTF8.self)
            if words.contains(text) { return words }
            var query = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&query, 1, deadline.milliseconds) > 0 else {
                throw TimedOut(description: "the terminal shows no \"\(text)\" within \(duration): \(words)")
            }
            let count = unsafe read(descriptor, &buffer, buffer.count)
            guard count > 0 else { throw TimedOut(description: "the terminal has lost its program: \(words)") }
            shown += buffer[..<count]
        }
    }
    /// In a psql whose session has this name: Ctrl-C ends a long query, and the next one is answered.
    func interruptQuery(of name: String, on server: PrivatePostgres) throws {
        type("SELECT pg_sleep(600);\n")
        try server.waitForActive(name, event: "PgSleep")
        type("\u{3}")
        try wait(for: "canceling statement due to user request")
        type("SELECT 'ali' || 've';\n")
        try wait(for: "alive")
    }
}
