// The reader of a client's first packet. It reads no byte after the packet, as those belong to TLS or to the messages
// that are scanned.

import PostgresProtocol
import Reactor

/// Collects the bytes of one startup packet.
package struct StartupReader {
    package enum Progress {
        case incomplete
        case complete(StartupPacket, bytes: [UInt8])
        case malformed(StartupPacket.Malformed)
        case endOfStream
        case failed(SystemError)
    }

    private var bytes: [UInt8] = []
    private var length = StartupPacket.lengthFieldLength
    private var knowsLength = false

    package init() {}

    /// Receives the bytes that are there and returns when the packet is incomplete: the loop reports further bytes, and
    /// other sockets have their turn before a client that sends single bytes.
    package mutating func read(from socket: any StreamSocket, into buffer: ReceiveBuffer) -> Progress {
        while true {
            switch socket.receive(into: buffer, limit: length - bytes.count) {
            case .wouldBlock: return .incomplete
            case .endOfStream: return .endOfStream
            case .failed(let error): return .failed(error)
            case .bytes(let count): buffer.withReceived(count) { bytes += $0.copied() }
            }
            guard bytes.count == length else { return .incomplete }
            do throws(StartupPacket.Malformed) {
                if knowsLength { return .complete(try StartupPacket(parsing: bytes.span), bytes: bytes) }
                length = try StartupPacket.length(from: bytes.span)
                knowsLength = true
            } catch {
                return .malformed(error)
            }
        }
    }
}
