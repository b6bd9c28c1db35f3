// Reads a client's first packet, and not a byte more: what comes behind it belongs to somebody else (to TLS, or to the
// messages that are followed).

import PostgresProtocol
import Reactor

/// Collects the bytes of one start-up packet.
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

    /// Receives what there is, and leaves it at that when it is less than awaited: the loop tells of more, and others
    /// have their turn before a client that sends byte after byte.
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
