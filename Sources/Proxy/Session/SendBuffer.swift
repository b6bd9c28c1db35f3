// The send buffer for a destination that may take fewer bytes than it is sent.

import Reactor

/// Sends to one destination, and keeps the bytes that it does not take at once, in order: nearly always none.
struct SendBuffer {
    private enum State {
        case empty
        case stalled(Backlog)
        /// The connection of the destination is broken; bytes for it are discarded.
        case broken
    }

    private var state = State.empty

    private var backlog: Backlog? { if case .stalled(let backlog) = state { backlog } else { nil } }

    /// Bytes remain to be sent.
    var isStalled: Bool { if case .stalled = state { true } else { false } }

    /// The number of remaining bytes.
    var count: Int { backlog?.count ?? 0 }

    /// Sends `bytes` after the remaining ones, and keeps those that are not sent.
    ///
    /// - Returns: the number of bytes sent, or the reason why the destination takes nothing any more, when it has just
    ///   failed.
    @inline(__always) mutating func send(_ bytes: Span<UInt8>, to destination: any StreamSocket) -> Sent {
        switch state {
        case .empty: break
        case .stalled(let backlog):
            backlog.append(bytes)
            return .bytes(0)
        case .broken: return .bytes(0)
        }
        let sent = destination.send(bytes)
        switch sent {
        case .failed: state = .broken
        case .bytes(let count):
            if count < bytes.count { state = .stalled(Backlog(bytes.extracting(count..<bytes.count))) }
        }
        return sent
    }

    /// Sends more of the remaining bytes.
    ///
    /// - Returns: the bytes that were sent.
    /// - Throws: the reason why the destination takes nothing any more.
    mutating func sendMore(to destination: any StreamSocket) throws(SystemError) -> ArraySlice<UInt8> {
        guard let backlog else { return [] }
        switch backlog.withFirst({ destination.send($0) }) {
        case .failed(let error):
            state = .broken
            throw error
        case .bytes(let sent):
            let gone = backlog.removeFirst(sent)
            // An idle session holds no storage.
            if backlog.isEmpty { state = .empty }
            return gone
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
        if isStalled { state = .empty }
    }
}
