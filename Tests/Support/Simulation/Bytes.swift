// The bytes of an ordinary conversation, for both sides.

/// Bytes of both sides.
package enum Bytes {
    package static let startup: [UInt8] = {
        let body = [UInt8]([0, 3, 0, 0]) + Array("user\0app\0application_name\0test\0\0".utf8)
        return [0, 0, 0, UInt8(body.count + 4)] + body
    }()

    package static let sslRequest: [UInt8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]
    package static let gssRequest: [UInt8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x30]
    package static let cancelRequest: [UInt8] = [0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e, 0, 0, 1, 0, 9, 9, 9, 9]

    package static func message(_ kind: Character, _ body: [UInt8] = []) -> [UInt8] {
        Array(String(kind).utf8) + [0, 0, UInt8((body.count + 4) >> 8), UInt8((body.count + 4) & 255)] + body
    }

    package static let query = message("Q", Array("SELECT 1\0".utf8))
    package static let terminate = message("X")
    package static let ready = message("Z", [UInt8(ascii: "I")])

    /// ReadyForQuery with this transaction status.
    package static func ready(_ status: Character) -> [UInt8] { message("Z", [status.asciiValue ?? 0]) }
    package static let answer = message("C", Array("SELECT 1\0".utf8)) + ready
    package static let login =
        message("R", [0, 0, 0, 0]) + message("K", [0, 0, 1, 0, 9, 9, 9, 9]) + ready
}
