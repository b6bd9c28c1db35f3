// The interface of a connected socket. KernelSocket implements it; a simulation has its own implementation. Functions
// on the path of every byte are inlinable, so that module boundaries cost nothing; and public, as the compiler inlines
// nothing `package` into other modules.

/// The result of a receive.
package enum Received: Equatable, Sendable {
    /// The number of bytes at the start of the buffer, at least 1.
    case bytes(Int)
    case wouldBlock
    /// The peer sends no more.
    case endOfStream
    case failed(SystemError)
}

/// The result of a send.
package enum Sent: Equatable, Sendable {
    /// The number of bytes that were taken, possibly fewer than offered, possibly 0: the rest can be sent when the
    /// socket is writable.
    case bytes(Int)
    case failed(SystemError)
}

/// The events that a socket is watched for.
public struct Interest: OptionSet, Sendable {
    /// One bit each.
    public let rawValue: UInt8

    /// Any combination of the bits.
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// OptionSet's own implementation is a call through a witness table in other modules.
    @inlinable public func contains(_ other: Interest) -> Bool { rawValue & other.rawValue == other.rawValue }

    /// Bytes to be received, and the end of the peer's stream.
    @inlinable public static var read: Interest { Interest(rawValue: 1) }
    /// Space for bytes to be sent.
    @inlinable public static var write: Interest { Interest(rawValue: 2) }
    /// The end of the peer's stream, or a reset, also while unread bytes precede it. Implied by `.read`.
    @inlinable public static var close: Interest { Interest(rawValue: 4) }
}

/// The events of a socket.
public struct Readiness: OptionSet, Sendable {
    /// One bit each.
    public let rawValue: UInt8

    /// Any combination of the bits.
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// As for Interest.
    @inlinable public func contains(_ other: Readiness) -> Bool { rawValue & other.rawValue == other.rawValue }

    /// A receive returns bytes or the end.
    @inlinable public static var readable: Readiness { Readiness(rawValue: 1) }
    /// A send takes bytes or returns an error.
    @inlinable public static var writable: Readiness { Readiness(rawValue: 2) }
    /// Reported only for `Interest.close`; `takeError` tells whether the end was orderly.
    @inlinable public static var closed: Readiness { Readiness(rawValue: 4) }
}

/// A non-blocking stream socket on an event loop; used on the loop's thread alone.
package protocol StreamSocket: AnyObject {
    /// The receiver of the socket's events. It is not retained and closes the socket before it is released.
    var owner: (any SocketOwner)? { get set }

    /// The events for the owner. A change costs a system call.
    var interest: Interest { get set }

    /// The address of the peer, or nil when the socket is not connected.
    var peerAddress: SocketAddress? { get }

    /// pgleash's own address, or nil when the socket is not connected.
    var localAddress: SocketAddress? { get }

    /// The socket is connected. This can be so as soon as `connect` returns: a peer on the same machine needs no wait.
    var isConnected: Bool { get }

    /// The kernel's number of the socket, for a library that reads and writes itself; -1 where there is none.
    var descriptor: Int32 { get }

    /// The host name of the peer, where the connection is encrypted; otherwise nil.
    var encryptedPeerName: String? { get }

    /// The error where the peer's stream ended because it could not be decrypted, or because of a TLS alert.
    var encryptionFailure: String? { get }

    /// The kernel's attempts to reach the peer's host; nil where they are unknown.
    var attempts: Attempts? { get }

    /// Changes the pace of these attempts.
    ///
    /// - Returns: whether the kernel can do that.
    func setPace(_ pace: AttemptPace) -> Bool

    /// Whether the peer has ended its stream or is gone, as far as its kernel can be queried; also where bytes before
    /// that end have no space here, so that no event reports it. Costs several system calls.
    var hasPeerEnded: Bool { get }

    /// Takes the error that the kernel holds for the socket: that of a connection attempt, or of the end of the stream.
    func takeError() -> SystemError?

    /// The first byte that was not received yet, which is not removed; nil when there is none.
    func peek() -> UInt8?

    /// Receives into the start of `buffer`, at most `limit` bytes.
    func receive(into buffer: ReceiveBuffer, limit: Int) -> Received

    func send(_ bytes: Span<UInt8>) -> Sent

    /// Ends pgleash's half of the stream; the peer's continues.
    func shutdownSending()

    /// Closes the descriptor. The owner gets no events after this; a second call does nothing.
    func close()
}

extension StreamSocket {
    package var isConnected: Bool { peerAddress != nil }

    package var localAddress: SocketAddress? { nil }

    package var descriptor: Int32 { -1 }

    package func peek() -> UInt8? { nil }

    package var encryptedPeerName: String? { nil }

    package var encryptionFailure: String? { nil }

    package var attempts: Attempts? { nil }

    package func setPace(_ pace: AttemptPace) -> Bool { false }

    package var hasPeerEnded: Bool { false }

    /// Receives as many bytes as the buffer holds.
    package func receive(into buffer: ReceiveBuffer) -> Received {
        receive(into: buffer, limit: buffer.size)
    }

    package func send(_ bytes: [UInt8]) -> Sent {
        send(bytes.span)
    }
}

/// The receiver of a socket's events.
package protocol SocketOwner: AnyObject {
    func socket(_ socket: any StreamSocket, became readiness: Readiness)
}
