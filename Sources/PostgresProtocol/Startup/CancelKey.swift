// The cancel key that the server sends in BackendKeyData and expects in a CancelRequest.

/// The right to cancel the statement of one backend: its process ID and a secret.
///
/// The secret has 4 bytes up to protocol 3.0 and 4 to 256 from 3.2 on (PostgreSQL 18 sends 32). It never appears in a
/// description, so no log or report can show it.
package struct CancelKey: Hashable, Sendable {
    /// The process ID of the backend, as in `pg_stat_activity.pid`.
    package let processID: UInt32
    /// The first 4 bytes of the secret, most often all of it; a key of this length allocates no memory.
    private let secretStart: UInt32
    private let secretRest: [UInt8]

    /// Uses the parts that distinguish nearly all keys. The key of a connection is hashed twice.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(UInt64(processID) << 32 | UInt64(secretStart))
    }

    /// - Parameter body: the body of a BackendKeyData message.
    /// - Returns: nil when the secret would not have 4 to 256 bytes.
    package init?(backendKeyData body: Span<UInt8>) {
        guard (8...260).contains(body.count), let processID = body.bigEndianUInt32(at: 0),
            let secretStart = body.bigEndianUInt32(at: 4)
        else { return nil }
        self.processID = processID
        self.secretStart = secretStart
        secretRest = body.extracting(8..<body.count).copied()
    }

    /// - Parameter packet: a complete CancelRequest.
    /// - Returns: nil when it is none, or its secret would not have 4 to 256 bytes.
    init?(cancelRequest packet: Span<UInt8>) {
        guard packet.count >= 16, packet.bigEndianUInt32(at: 4) == StartupPacket.cancelRequestCode else { return nil }
        self.init(backendKeyData: packet.extracting(8..<packet.count))
    }

    /// The bytes of a CancelRequest with this key.
    package var cancelRequest: [UInt8] {
        var packet: [UInt8] = []
        packet.reserveCapacity(16 + secretRest.count)
        packet.appendBigEndian(UInt32(16 + secretRest.count))
        packet.appendBigEndian(StartupPacket.cancelRequestCode)
        packet.appendBigEndian(processID)
        packet.appendBigEndian(secretStart)
        packet += secretRest
        return packet
    }
}

extension CancelKey: CustomStringConvertible, CustomReflectable {
    package var description: String { "CancelKey(processID: \(processID))" }
    package var customMirror: Mirror { Mirror(self, children: ["processID": processID]) }
}
