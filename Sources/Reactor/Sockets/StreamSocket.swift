// What the rest of the program may ask of a connected socket. KernelSocket is the real one; a simulation brings
// its own. What every byte passes is inlinable, so that the borders of modules cost it nothing; and public, as the
// compiler inlines nothing that is `package` there.

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
public struct Interest: OptionSet, Sendable {
    /// One bit each.
    public let rawValue: UInt8

    /// Any combination of the bits.
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// OptionSet's own is a call by way of a witness table in other modules.
    @inlinable public func contains(_ other: Interest) -> Bool { rawValue & other.rawValue == other.rawValue }

    /// Bytes to be received, and the end of the peer's stream.
    @inlinable public static var read: Interest { Interest(rawValue: 1) }
    /// Room for bytes to be sent.
    @inlinable public static var write: Interest { Interest(rawValue: 2) }
    /// The end of the peer's stream, or a reset, also while unread bytes stand before it. Implied by `.read`.
    @inlinable public static var close: Interest { Interest(rawValue: 4) }
}

/// What a socket has become.
public struct Readiness: OptionSet, Sendable {
    /// One bit each.
    public let rawValue: UInt8

    /// Any combination of the bits.
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// As for Interest.
    @inlinable public func contains(_ other: Readiness) -> Bool { rawValue & other.rawValue == other.rawValue }

    /// A receive brings something, if only the end.
    @inlinable public static var readable: Readiness { Readiness(rawValue: 1) }
    /// A send takes something, or tells of an error.
    @inlinable public static var writable: Readiness { Readiness(rawValue: 2) }
    /// Told only under `Interest.close`; whether it was an orderly end tells `takeError`.
    @inlinable public static var closed: Readiness { Readiness(rawValue: 4) }
}

/// A non-blocking stream socket on an event loop; used on the loop's thread alone.
package protocol StreamSocket: AnyObject {
    /// Who is told what becomes of the socket. Not retained: it closes the socket before it goes.
    var owner: (any SocketOwner)? { get set }

    /// What the owner is told of. A change costs a system call.
    var interest: Interest { get set }

    /// Whom the socket is connected to, or nil when it isn't.
    var peerAddress: SocketAddress? { get }

    /// The connection stands, as it may as soon as `connect` returns: on the same machine there is nobody to wait for.
    var isConnected: Bool { get }

    /// The kernel's number for the socket, for a library that reads and writes by itself; -1 where there is none.
    var descriptor: Int32 { get }

    /// The name the peer was found by, where all that passes is encrypted; otherwise nil.
    var encryptedPeerName: String? { get }

    /// What was wrong where the peer's stream ended because it could not be decrypted, or its TLS said so.
    var encryptionFailure: String? { get }

    /// The kernel's attempts to reach the peer's host; nil where there is nothing to be known of them.
    var attempts: Attempts? { get }

    /// Changes the pace of these attempts.
    ///
    /// - Returns: whether the kernel can do that.
    func setPace(_ pace: AttemptPace) -> Bool

    /// The peer has ended its stream or is gone, as far as its kernel can be asked; also where bytes before that end
    /// have no room here, so that nothing else tells of it. Costs some system calls.
    var hasPeerEnded: Bool { get }

    /// Takes the error the kernel holds for the socket: how a connection attempt failed, or what ended the stream.
    func takeError() -> SystemError?

    /// The first byte that was not received yet, which stays where it is; nil when there is none.
    func peek() -> UInt8?

    /// Receives into the start of `buffer`, at most `limit` bytes.
    func receive(into buffer: ReceiveBuffer, limit: Int) -> Received

    func send(_ bytes: Span<UInt8>) -> Sent

    /// Ends our half of the stream; the peer's goes on.
    func shutdownSending()

    /// Gives the descriptor back. The socket tells its owner nothing from then on; closing twice does nothing.
    func close()
}

extension StreamSocket {
    package var isConnected: Bool { peerAddress != nil }

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

/// Who is told what becomes of a socket.
package protocol SocketOwner: AnyObject {
    func socket(_ socket: any StreamSocket, became readiness: Readiness)
}
