// The bytes of an ordinary conversation, for both sides.

import TestSupport

/// Bytes of both sides.
package enum Bytes {
    package static let startup = packet(
        code: version(3, 0), parameters([("user", "app"), ("application_name", "test")]))
    package static let cancelRequest = Frontend.cancelRequest(key)
    package static let query = Frontend.query("SELECT 1")
    package static let ready = message("Z", [UInt8(ascii: "I")])

    /// ReadyForQuery with this transaction status.
    package static func ready(_ status: Character) -> [UInt8] { message("Z", [status.asciiValue ?? 0]) }
    package static let answer = message("C", "SELECT 1") + ready
    package static let login = message("R", int32(0)) + message("K", key) + ready

    /// The process ID 256 and a secret.
    private static let key: [UInt8] = [0, 0, 1, 0, 9, 9, 9, 9]
}
