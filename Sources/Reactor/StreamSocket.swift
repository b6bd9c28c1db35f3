// What the rest of the program may ask of a connected socket. KernelSocket is the real one; a simulation brings
// its own.

/// What a receive brought.
package enum Received: Equatable, Sendable {
    /// So many bytes, at least 1, stand at the start of the buffer.
    case bytes(Int)
    case wouldBlock
    /// The peer sends no more.
    case endOfStream
    case failed(SystemError)
}

/// What became of a send.
package enum Sent: Equatable, Sendable {
    /// So many bytes were taken, perhaps fewer than offered, perhaps 0: the rest can go when the socket is writable.
    case bytes(Int)
    case failed(SystemError)
}

/// What a socket is watched for.
package struct Interest: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let read = Interest(rawValue: 1)
    package static let write = Interest(rawValue: 2)
    /// The end of the peer's stream, or a reset, also while unread bytes stand before it. Implied by `.read`.
    package static let close = Interest(rawValue: 4)
}

/// What a socket has become.
package struct Readiness: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let readable = Readiness(rawValue: 1)
    package static let writable = Readiness(rawValue: 2)
    /// Told only under `Interest.close`; whether it was an orderly end tells `takeError`.
    package static let closed = Readiness(rawValue: 4)
}

/// A non-blocking stream socket on an event loop; used on the loop's thread alone.
package protocol StreamSocket: AnyObject {
    /// Who is told what becomes of the socket. Not retained: it closes the socket before it goes.
    var owner: (any SocketOwner)? { get set }

    /// What the owner is told of. A change costs a system call.
    var interest: Interest { get set }

    /// Whom the socket is connected to, or nil when it isn't.
    var peerAddress: SocketAddress? { get }

    /// What was sent to the peer goes without an answer of its host at this moment.
    var isUnanswered: Bool { get }

    /// Takes the error the kernel holds for the socket: how a connection attempt failed, or what ended the stream.
    func takeError() -> SystemError?

    /// Receives into the start of `buffer`, at most `limit` bytes.
    func receive(into buffer: ReceiveBuffer, limit: Int) -> Received

    func send(_ bytes: Span<UInt8>) -> Sent

    /// Ends our half of the stream; the peer's goes on.
    func shutdownSending()

    /// Gives the descriptor back. The socket tells its owner nothing from then on; closing twice does nothing.
    func close()
}

extension StreamSocket {
    /// Where the peer can't be lost without notice.
    package var isUnanswered: Bool { false }

    /// Receives as many bytes as the buffer holds.
    package func receive(into buffer: ReceiveBuffer) -> Received {
        receive(into: buffer, limit: buffer.size)
    }

    package func send(_ bytes: [UInt8]) -> Sent {
        send(bytes.span)
    }
}

/// Who is told what becomes of a socket.
package protocol SocketOwner: AnyObject {
    func socket(_ socket: any StreamSocket, became readiness: Readiness)
}

/// The bytes every receive of a loop goes into; one for all its sockets, as each is dealt with before the next.
package final class ReceiveBuffer {
    private var bytes: [UInt8]

    /// - Parameter size: in bytes, more than 0.
    package init(size: Int) {
        precondition(size > 0)
        bytes = [UInt8](repeating: 0, count: size)
    }

    package var size: Int { bytes.count }

    /// Lends the first `count` bytes, those that were just received.
    package func withReceived<Result, Failure: Error>(
        _ count: Int,
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // A span of a class's property can't leave the access to it; that of a local reference can. The reference must
        // be gone before the next receive, or that would copy the storage.
        let bytes = bytes
        return try body(bytes.span.extracting(0..<count))
    }

    /// Lets `fill` write to the storage, as a receive does.
    package func fill<Result>(_ fill: (inout [UInt8]) -> Result) -> Result {
        fill(&bytes)
    }
}
