// The first packet of a client. It has no type byte, and is a StartupMessage, SSLRequest, GSSENCRequest or
// CancelRequest. Its bytes are collected by StartupReader in Proxy.

/// The first packet of a connection, parsed.
package enum StartupPacket: Equatable, Sendable {
    case startup(StartupMessage)
    /// The client requests TLS.
    case sslRequest
    /// The client requests GSSAPI encryption.
    case gssEncryptionRequest
    /// The client requests the cancellation of another session's query. The packet is passed on unchanged.
    case cancelRequest(CancelKey)

    /// The reason why a packet is refused, with a text for the client and the operator.
    package enum Malformed: Error, Equatable, Sendable {
        /// The length is not in `lengths`.
        case length(UInt32)
        /// The version is not 3.x, and the code is none of a known request.
        case unsupportedProtocol(major: UInt16, minor: UInt16)
        /// Names and values are not pairs of zero-terminated strings.
        case parameters
        /// A StartupMessage has no `user`, which PostgreSQL requires.
        case noUser
        /// The secret of a CancelRequest does not have 4 to 256 bytes.
        case cancelRequestLength(Int)
    }

    /// The number of bytes from which the length of the packet is known.
    package static let lengthFieldLength = 4

    /// PostgreSQL's bounds: MAX_STARTUP_PACKET_LENGTH, 10,000, does not include the length field.
    package static let lengths: ClosedRange<UInt32> = 8...10_004

    static let sslRequestCode: UInt32 = 1234 << 16 | 5679
    static let gssEncryptionRequestCode: UInt32 = 1234 << 16 | 5680
    static let cancelRequestCode: UInt32 = 1234 << 16 | 5678

    /// The packet with which a client requests TLS.
    package static let sslRequestPacket: [UInt8] = {
        var packet: [UInt8] = []
        packet.appendBigEndian(8)
        packet.appendBigEndian(sslRequestCode)
        return packet
    }()

    /// The length in bytes, itself included, of the packet whose first 4 bytes are `field`.
    package static func length(from field: Span<UInt8>) throws(Malformed) -> Int {
        let length = field.bigEndianUInt32(at: 0) ?? 0
        guard lengths.contains(length) else { throw .length(length) }
        return Int(length)
    }

    /// Parses a complete packet, its length field included.
    package init(parsing packet: Span<UInt8>) throws(Malformed) {
        guard let code = packet.bigEndianUInt32(at: 4) else { throw .length(UInt32(packet.count)) }
        switch code {
        case Self.sslRequestCode: self = .sslRequest
        case Self.gssEncryptionRequestCode: self = .gssEncryptionRequest
        case Self.cancelRequestCode:
            guard let key = CancelKey(cancelRequest: packet) else { throw .cancelRequestLength(packet.count) }
            self = .cancelRequest(key)
        default:
            let (major, minor) = (UInt16(code >> 16), UInt16(truncatingIfNeeded: code))
            guard major == 3 else { throw .unsupportedProtocol(major: major, minor: minor) }
            self = .startup(try StartupMessage(parameters: packet.extracting(8..<packet.count)))
        }
    }
}

extension StartupPacket.Malformed {
    /// The SQLSTATE with which PostgreSQL refuses such a packet.
    package var sqlState: SQLState {
        switch self {
        case .unsupportedProtocol: .featureNotSupported
        case .noUser: .invalidAuthorizationSpecification
        case .length, .parameters, .cancelRequestLength: .protocolViolation
        }
    }
}

extension StartupPacket.Malformed: CustomStringConvertible {
    package var description: String {
        switch self {
        case .length(let length): "invalid length of startup packet: \(length), allowed are 8 to 10004"
        case .unsupportedProtocol(let major, let minor):
            "unsupported frontend protocol \(major).\(minor): pgleash speaks 3.0 and later 3.x"
        case .parameters: "invalid startup packet layout: expected terminator as last byte"
        case .noUser: "no PostgreSQL user name specified in startup packet"
        case .cancelRequestLength(let length): "invalid length of cancel request packet: \(length)"
        }
    }
}
