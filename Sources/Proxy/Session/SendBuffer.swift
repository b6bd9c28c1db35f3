// The send buffer for a destination that may take fewer bytes than it is sent.

import Reactor

/// Sends to one destination, and keeps the bytes that it does not take at once, in order: nearly always none.
struct SendBuffer {
    private var backlog = Backlog()
    /// The connection of the destination is broken; bytes for it are discarded.
    private var isBroken = false

    /// Bytes remain to be sent.
    var isStalled: Bool { !backlog.isEmpty }

    /// The number of remaining bytes.
    var count: Int { backlog.count }

    /// Sends `bytes` after the remaining ones, and keeps those that are not sent.
    ///
    /// - Returns: the number of bytes sent, or the reason why the destination takes nothing any more, when it has just
    ///   failed.
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

    /// Sends more of the remaining bytes.
    ///
    /// - Returns: the bytes that were sent.
    /// - Throws: the reason why the destination takes nothing any more.
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

    /// The same without the bytes that were sent.
    ///
    /// - Returns: the reason why the destination takes nothing any more, when it has just failed.
    mutating func flush(to destination: any StreamSocket) -> SystemError? {
        do throws(SystemError) {
            _ = try sendMore(to: destination)
            return nil
        } catch { return error }
    }

    /// Discards the remaining bytes.
    mutating func discard() {
        backlog.removeAll()
    }
}
