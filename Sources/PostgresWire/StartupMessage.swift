// What a StartupMessage tells of its session. The packet itself is passed on unchanged; this is for the log, the
// report and the decision whether to cancel.

/// The parameters of a StartupMessage that pgleash reads.
package struct StartupMessage: Equatable, Sendable {
    package private(set) var user = ""
    /// As the client gave it; the server takes the user's name where it gave none.
    package private(set) var database = ""
    package private(set) var applicationName = ""
    /// A walsender: the client set `replication` to something other than a false boolean.
    package private(set) var isReplication = false
    /// The client set `pgleash.cancel` to a false boolean, among its `options` or as a parameter, which PostgreSQL
    /// takes as a setting that nobody has defined. Nothing of this session is to be cancelled on its behalf.
    package private(set) var isCancelOff = false

    /// PostgreSQL cuts identifiers and `application_name` at NAMEDATALEN - 1 bytes; so does what we keep.
    static let longestName = 63

    /// - Parameter parameters: the packet behind the protocol version: pairs of zero-terminated strings, then a zero.
    init(parameters: Span<UInt8>) throws(StartupPacket.Malformed) {
        var offset = 0
        var options: [UInt8] = []
        var cancel: [UInt8]?
        while true {
            guard let name = Self.string(in: parameters, from: &offset) else { throw .parameters }
            // The empty name is the terminator, and it must be the last byte.
            if name.isEmpty { break }
            guard let value = Self.string(in: parameters, from: &offset) else { throw .parameters }
            keep(name, value)
            if name == Array("options".utf8) { options = value }
            if Self.isCancelSetting(name) { cancel = value }
        }
        // PostgreSQL sets what stands in the options first, parameters over it.
        if cancel == nil {
            cancel = StartupOptions.settings(in: options).last { Self.isCancelSetting($0.name) }?.value
        }
        isCancelOff = cancel.map { !$0.isEmpty && Self.isFalse($0) } ?? false
        guard offset == parameters.count else { throw .parameters }
        guard !user.isEmpty else { throw .noUser }
        if database.isEmpty { database = user }
    }

    private mutating func keep(_ name: [UInt8], _ value: [UInt8]) {
        switch name {
        case Array("user".utf8): user = Self.clipped(value)
        case Array("database".utf8): database = Self.clipped(value)
        case Array("application_name".utf8): applicationName = Self.clipped(value)
        case Array("replication".utf8): isReplication = !Self.isFalse(value)
        default: break
        }
    }

    /// What PostgreSQL's `parse_bool`, which doesn't mind the case, takes for false.
    private static let falseWords = Set(
        ["", "0", "off", "of", "false", "fals", "fal", "fa", "f", "no", "n"].map { Array($0.utf8) }
    )

    private static func isFalse(_ value: [UInt8]) -> Bool { falseWords.contains(value.map(lowercased)) }

    /// Names of settings don't mind the case either.
    private static func isCancelSetting(_ name: [UInt8]) -> Bool {
        name.map(lowercased) == Array("pgleash.cancel".utf8)
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    private static func clipped(_ value: [UInt8]) -> String {
        var name = String.UnicodeScalarView()
        for scalar in String(decoding: value.prefix(longestName), as: UTF8.self).unicodeScalars {
            // Names come from anybody who can connect; none shall write lines of its own into a log.
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: name.append("?")
            default: name.append(scalar)
            }
        }
        return String(name)
    }

    private static func string(in bytes: Span<UInt8>, from offset: inout Int) -> [UInt8]? {
        var end = offset
        while end < bytes.count, bytes[end] != 0 { end += 1 }
        guard end < bytes.count else { return nil }
        defer { offset = end + 1 }
        return bytes.extracting(offset..<end).copied()
    }
}
