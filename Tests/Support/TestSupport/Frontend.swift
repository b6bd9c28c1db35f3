// The messages of a client, under the names of PostgreSQL's chapter "Message Formats".

/// Messages of the frontend.
package enum Frontend {
    /// - Parameter parameters: beside `user`, `database` and `application_name`.
    package static func startup(
        user: String = "postgres", database: String = "postgres", name: String, parameters: [(String, String)] = []
    ) -> [UInt8] {
        let all = [("user", user), ("database", database), ("application_name", name)] + parameters
        return packet(code: version(3, 0), TestSupport.parameters(all))
    }

    package static let sslRequest = packet(code: version(1234, 5679))
    package static let gssEncryptionRequest = packet(code: version(1234, 5680))

    /// - Parameter key: the body of a BackendKeyData.
    package static func cancelRequest(_ key: [UInt8]) -> [UInt8] {
        packet(code: version(1234, 5678), key)
    }

    package static func query(_ sql: String) -> [UInt8] { message("Q", string(sql)) }

    package static func parse(_ sql: String, statement: String = "") -> [UInt8] {
        message("P", string(statement) + string(sql) + int16(0))
    }

    package static func bind(statement: String = "", portal: String = "", _ values: [String] = []) -> [UInt8] {
        let parameters = values.flatMap { int32($0.utf8.count) + Array($0.utf8) }
        return message("B", string(portal) + string(statement) + int16(0) + int16(values.count) + parameters + int16(0))
    }

    package static func describe(portal: String = "") -> [UInt8] { message("D", [UInt8(ascii: "P")] + string(portal)) }

    package static func execute(portal: String = "", rows: Int = 0) -> [UInt8] {
        message("E", string(portal) + int32(rows))
    }

    package static func closeStatement(_ name: String) -> [UInt8] { message("C", [UInt8(ascii: "S")] + string(name)) }

    /// Parse, Bind and Execute of one statement; no Sync.
    package static func extended(_ sql: String) -> [UInt8] { parse(sql) + bind() + execute() }

    package static let sync = message("S")
    package static let flush = message("H")
    package static let terminate = message("X")
    package static let copyDone = message("c")

    package static func copyData(_ text: String) -> [UInt8] { message("d", Array(text.utf8)) }

    package static func copyFail(_ reason: String) -> [UInt8] { message("f", string(reason)) }

    /// A FunctionCall with binary arguments and result.
    package static func functionCall(_ function: Int, _ arguments: [[UInt8]]) -> [UInt8] {
        let values = arguments.flatMap { int32($0.count) + $0 }
        return message("F", int32(function) + int16(1) + int16(1) + int16(arguments.count) + values + int16(1))
    }

    /// The same messages with a comment before the text of each statement. The last message may be incomplete.
    package static func commented(_ messages: [UInt8], _ comment: String) -> [UInt8] {
        let comment = Array(comment.utf8)
        var (commented, rest): ([UInt8], ArraySlice<UInt8>) = ([], messages[...])
        while let kind = rest.first {
            let length = rest.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
            let body = rest.prefix(1 + length).dropFirst(5)
            rest = rest.dropFirst(1 + length)
            let name = kind == UInt8(ascii: "P") ? body.prefix { $0 != 0 }.count + 1 : 0
            let hasText = kind == UInt8(ascii: "Q") || kind == UInt8(ascii: "P")
            commented += [kind] + int32(length + (hasText ? comment.count : 0))
            commented += body.prefix(name) + (hasText ? comment : []) + body.dropFirst(name)
        }
        return commented
    }
}
