// The way to a destination that may take less than it is sent.

import Reactor

/// Sends to one destination, and keeps in order what that does not take at once: nearly always nothing.
struct SendBuffer {
    private var backlog = Backlog()
    /// The destination's connection is broken; bytes for it go nowhere.
    private var isBroken = false

    /// Something is left over to be sent.
    var isStalled: Bool { !backlog.isEmpty }

    /// Bytes that are left over.
    var count: Int { backlog.count }

    /// Sends `bytes` after what is left over, and keeps what doesn't go out.
    ///
    /// - Returns: how many went out, or why the destination takes nothing any more, when it just broke.
    @inline(__always) mutating func send(_ bytes: Span<UInt8>, to destination: any StreamSocket) -> Sent {
        guard !isStalled else {
            backlog.append(bytes)
            return .bytes(0)
        }
        guard !isBroken else { return .bytes(0) }
        let sent = destination.send(bytes)
        switch sent {
        case .failed: isBroken = true
        case .bytes(let count):
            if count < bytes.count { backlog.append(bytes.extracting(count..<bytes.count)) }
        }
        return sent
    }

    /// Sends more of what is left over.
    ///
    /// - Returns: what went out.
    /// - Throws: why the destination takes nothing any more.
    mutating func sendMore(to destination: any StreamSocket) throws(SystemError) -> ArraySlice<UInt8> {
        guard isStalled else { return [] }
        switch backlog.withFirst({ destination.send($0) }) {
        case .failed(let error):
            isBroken = true
            discard()
            throw error
        case .bytes(let sent): return backlog.removeFirst(sent)
        }
    }

    /// The same where nobody has to know what went out.
    ///
    /// - Returns: why the destination takes nothing any more, when it just broke.
    mutating func flush(to destination: any StreamSocket) -> SystemError? {
        do throws(SystemError) {
            _ = try sendMore(to: destination)
            return nil
        } catch { return error }
    }

    /// Forgets what is left over.
    mutating func discard() {
        backlog.removeAll()
    }
}
