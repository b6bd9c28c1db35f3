// A client's first packet, complete and in pieces: the result is the same, no byte after it is taken, and the stored
// text is safe.

import PostgresProtocol
import Proxy
import Reactor

func fuzzStartup(_ bytes: [UInt8]) throws(Violation) {
    let whole = try read([bytes])
    for pieces in [bytes.map { [$0] }, cut(bytes)] {
        try check(try read(pieces) == whole, "the packet is the same however it is cut")
    }
    try check(bytes.count - whole.left <= 10_004, "a packet has 10,004 bytes at most")
    switch whole.end {
    case .packet(let packet):
        try check(whole.taken == Array(bytes.dropLast(whole.left)), "the packet is passed on as it came, and no more")
        try checkHarmless(packet, whole.taken)
    case .malformed(let reason): try check(!"\(reason)".isEmpty, "a refusal has a reason")
    case .incomplete: try check(whole.left == 0, "an incomplete packet has all there is")
    }
}

private enum End: Equatable {
    case packet(StartupPacket)
    case malformed(StartupPacket.Malformed)
    case incomplete
}

private struct Reading: Equatable {
    var end: End
    /// The packet's bytes.
    var taken: [UInt8] = []
    /// The number of bytes that remain in the socket.
    var left: Int
}

private func read(_ pieces: [[UInt8]]) throws(Violation) -> Reading {
    let socket = PieceSocket()
    let buffer = ReceiveBuffer(size: 16_384)
    var reader = StartupReader()
    for (index, piece) in pieces.enumerated() {
        socket.inbox += piece
        let behind = pieces[(index + 1)...].reduce(0) { $0 + $1.count }
        switch reader.read(from: socket, into: buffer) {
        case .incomplete: continue
        case .complete(let packet, let bytes):
            return Reading(end: .packet(packet), taken: bytes, left: socket.inbox.count + behind)
        case .malformed(let reason): return Reading(end: .malformed(reason), left: socket.inbox.count + behind)
        case .endOfStream, .failed: throw Violation("a socket that is open has not ended")
        }
    }
    return Reading(end: .incomplete, left: 0)
}

private func checkHarmless(_ packet: StartupPacket, _ bytes: [UInt8]) throws(Violation) {
    switch packet {
    case .sslRequest, .gssEncryptionRequest: break
    case .cancelRequest(let key):
        try check(key.cancelRequest == bytes, "a cancel request is sent as it came")
        try check(!"\(key)".contains("secret"), "a key shows its process ID alone")
    case .startup(let message):
        try check(!message.user.isEmpty && !message.database.isEmpty, "user and database are known")
        for name in [message.user, message.database, message.applicationName] {
            try check(name.unicodeScalars.count <= 63, "names are cut at 63 bytes")
            try check(!name.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }, "no name writes log lines")
        }
    }
}

/// A socket that returns the given bytes.
private final class PieceSocket: StreamSocket {
    weak var owner: (any SocketOwner)?
    var interest: Interest = []
    let peerAddress: SocketAddress? = nil
    var inbox: [UInt8] = []

    func receive(into buffer: ReceiveBuffer, limit: Int) -> Received {
        let received = inbox.prefix(min(limit, buffer.size))
        if received.isEmpty { return .wouldBlock }
        buffer.fill { bytes in for (index, byte) in received.enumerated() { bytes[index] = byte } }
        inbox.removeFirst(received.count)
        return .bytes(received.count)
    }

    func takeError() -> SystemError? { nil }
    func send(_ bytes: Span<UInt8>) -> Sent { .bytes(bytes.count) }
    func shutdownSending() {}
    func close() {}
}
