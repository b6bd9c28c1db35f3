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

    /// - Parameter parameters: the packet behind the protocol version: pairs of zero-terminated strings, then a zero.
    init(parameters: Span<UInt8>) throws(StartupPacket.Malformed) {
        var options = 0..<0
        var cancel: Range<Int>?
        try Self.forEachParameter(in: parameters) { name, value in
            let nameBytes = parameters.extracting(name)
            keep(nameBytes, parameters.extracting(value))
            if nameBytes.spell("options") { options = value }
            if nameBytes.spellIgnoringCase(Self.cancelSetting) { cancel = value }
        }
        guard !user.isEmpty else { throw .noUser }
        if database.isEmpty { database = user }
        // PostgreSQL sets what stands in the options first, parameters over it.
        if let cancel {
            isCancelOff = Self.isOff(parameters.extracting(cancel))
        } else if let setting = StartupOptions.settings(in: parameters.extracting(options).copied())
            .last(where: { $0.name.span.spellIgnoringCase(Self.cancelSetting) })
        {
            isCancelOff = Self.isOff(setting.value.span)
        }
    }

    /// The packet of protocol 3.0 that opens a session with these parameters.
    package static func packet(_ parameters: [(name: String, value: String)]) -> [UInt8] {
        var body: [UInt8] = []
        for (name, value) in parameters { body += Array(name.utf8) + [0] + Array(value.utf8) + [0] }
        var packet: [UInt8] = []
        packet.appendBigEndian(UInt32(body.count + 9))
        packet.appendBigEndian(3 << 16)
        return packet + body + [0]
    }

    private mutating func keep(_ name: Span<UInt8>, _ value: Span<UInt8>) {
        if name.spell("user") {
            user = Self.clipped(value)
        } else if name.spell("database") {
            database = Self.clipped(value)
        } else if name.spell("application_name") {
            applicationName = Self.clipped(value)
        } else if name.spell("replication") {
            isReplication = !Self.isFalse(value)
        }
    }

    /// Names of settings don't mind the case.
    private static let cancelSetting: String = "pgleash.cancel"

    /// What PostgreSQL's `parse_bool`, which doesn't mind the case, takes for false.
    private static let falseWords: [String] = ["", "0", "off", "of", "false", "fals", "fal", "fa", "f", "no", "n"]

    private static func isFalse(_ value: Span<UInt8>) -> Bool { falseWords.contains { value.spellIgnoringCase($0) } }

    private static func isOff(_ value: Span<UInt8>) -> Bool { value.count > 0 && isFalse(value) }

    /// For the log and the report: cut as PostgreSQL cuts it, and harmless.
    private static func clipped(_ value: Span<UInt8>) -> String {
        let bytes = Identifier(value).bytes
        // Names come from anybody who can connect; none shall write lines of its own into a log.
        guard bytes.contains(where: { $0 < 0x20 || $0 >= 0x7f }) else { return String(decoding: bytes, as: UTF8.self) }
        var name = String.UnicodeScalarView()
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: name.append("?")
            default: name.append(scalar)
            }
        }
        return String(name)
    }

    /// Calls `body` with where each name and its value stand in `parameters`, in order.
    static func forEachParameter(
        in parameters: Span<UInt8>, _ body: (_ name: Range<Int>, _ value: Range<Int>) -> Void
    ) throws(StartupPacket.Malformed) {
        var offset = 0
        while true {
            guard let name = string(in: parameters, from: &offset) else { throw .parameters }
            // The empty name is the terminator, and it must be the last byte.
            if name.isEmpty { break }
            guard let value = string(in: parameters, from: &offset) else { throw .parameters }
            body(name, value)
        }
        guard offset == parameters.count else { throw .parameters }
    }

    /// Where the string that begins at `offset` stands, which moves behind its zero.
    private static func string(in bytes: Span<UInt8>, from offset: inout Int) -> Range<Int>? {
        var end = offset
        while end < bytes.count, bytes[end] != 0 { end += 1 }
        guard end < bytes.count else { return nil }
        defer { offset = end + 1 }
        return offset..<end
    }
}

extension Span<UInt8> {
    /// The bytes are those of `text`, which is ASCII.
    func spell(_ text: String) -> Bool {
        spell(text, normalized: { $0 })
    }

    /// The same for `text` in lower case, whatever the case of the bytes.
    fileprivate func spellIgnoringCase(_ text: String) -> Bool {
        spell(text, normalized: { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 })
    }

    private func spell(_ text: String, normalized: (UInt8) -> UInt8) -> Bool {
        guard count == text.utf8.count else { return false }
        var offset = 0
        for byte in text.utf8 {
            guard normalized(self[offset]) == byte else { return false }
            offset += 1
        }
        return true
    }
}
