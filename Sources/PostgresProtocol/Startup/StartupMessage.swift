// The contents of a StartupMessage, for the log, the report and the decision whether to cancel. The packet itself is
// passed on unchanged.

/// The parameters of a StartupMessage that pgleash reads.
package struct StartupMessage: Equatable, Sendable {
    package private(set) var user = ""
    /// As the client sent it, or the user's name where it sent none.
    package private(set) var database = ""
    package private(set) var applicationName = ""
    /// The session is a walsender's: the client set `replication` to something other than a false boolean.
    package private(set) var isReplication = false
    /// The client set `pgleash.cancel` to a false boolean, in its `options` or as a parameter, which PostgreSQL accepts
    /// as a custom setting. pgleash cancels nothing in this session.
    package private(set) var isCancelOff = false
    /// There are settings whose names begin with `pgleash.`.
    private var hasOwnSettings = false

    /// - Parameter parameters: the packet after the protocol version: pairs of zero-terminated strings, then a zero
    ///   byte.
    init(parameters: Span<UInt8>) throws(StartupPacket.Malformed) {
        var options = 0..<0
        var cancel: Range<Int>?
        try Self.forEachParameter(in: parameters) { name, value in
            let nameBytes = parameters.extracting(name)
            keep(nameBytes, parameters.extracting(value))
            if nameBytes.spell("options") { options = value }
            if nameBytes.beginsIgnoringCase(with: Self.ownPrefix) {
                hasOwnSettings = true
                if nameBytes.spellIgnoringCase(Self.cancelSetting) { cancel = value }
            }
        }
        guard !user.isEmpty else { throw .noUser }
        if database.isEmpty { database = user }
        // PostgreSQL applies the options first, then the parameters.
        if !options.isEmpty { readOptions(parameters.extracting(options).copied()) }
        if let cancel { isCancelOff = Self.isOff(parameters.extracting(cancel)) }
    }

    private mutating func readOptions(_ options: [UInt8]) {
        for setting in StartupOptions.settings(in: options)
        where setting.name.span.beginsIgnoringCase(with: Self.ownPrefix) {
            hasOwnSettings = true
            guard setting.name.span.spellIgnoringCase(Self.cancelSetting) else { continue }
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
            user = clippedName(value)
        } else if name.spell("database") {
            database = clippedName(value)
        } else if name.spell("application_name") {
            applicationName = clippedName(value)
        } else if name.spell("replication") {
            isReplication = !Self.isFalse(value)
        }
    }

    /// PostgreSQL compares names of settings regardless of case.
    private static let cancelSetting: String = "pgleash.cancel"

    /// The settings of a StartupMessage, in its parameters or its `options`, whose names begin with `pgleash.` and that
    /// are unknown, as text for the log.
    ///
    /// - Parameter packet: the complete StartupMessage that this was read from, its length field included.
    package func unknownSettings(in packet: Span<UInt8>) -> [String] {
        guard hasOwnSettings, packet.count >= 8 else { return [] }
        let parameters = packet.extracting(8..<packet.count)
        var settings: [(name: [UInt8], value: [UInt8])] = []
        try? Self.forEachParameter(in: parameters) { name, value in
            let (name, value) = (parameters.extracting(name).copied(), parameters.extracting(value).copied())
            settings += name.span.spell("options") ? StartupOptions.settings(in: value) : [(name, value)]
        }
        return settings.filter { Self.isUnknown($0.name, $0.value) }.map { name, value in
            let option = name + [UInt8(ascii: "=")] + value
            return clippedName(option.span)
        }
    }

    private static func isUnknown(_ name: [UInt8], _ value: [UInt8]) -> Bool {
        guard name.span.beginsIgnoringCase(with: ownPrefix) else { return false }
        guard name.span.spellIgnoringCase(cancelSetting) else { return true }
        return !isOff(value.span) && !trueWords.contains { value.span.spellIgnoringCase($0) }
    }

    private static let ownPrefix: String = "pgleash."

    /// The words that PostgreSQL's `parse_bool` accepts for true.
    private static let trueWords: [String] = ["1", "on", "true", "tru", "tr", "t", "yes", "ye", "y"]

    /// The words that PostgreSQL's `parse_bool` accepts for false, regardless of case.
    private static let falseWords: [String] = ["", "0", "off", "of", "false", "fals", "fal", "fa", "f", "no", "n"]

    private static func isFalse(_ value: Span<UInt8>) -> Bool { falseWords.contains { value.spellIgnoringCase($0) } }

    private static func isOff(_ value: Span<UInt8>) -> Bool { value.count > 0 && isFalse(value) }

    /// Calls `body` with the ranges of each name and its value in `parameters`, in order.
    static func forEachParameter(
        in parameters: Span<UInt8>, _ body: (_ name: Range<Int>, _ value: Range<Int>) -> Void
    ) throws(StartupPacket.Malformed) {
        var offset = 0
        while true {
            guard let name = string(in: parameters, from: &offset) else { throw .parameters }
            // The empty name is the terminator and must be the last byte.
            if name.isEmpty { break }
            guard let value = string(in: parameters, from: &offset) else { throw .parameters }
            body(name, value)
        }
        guard offset == parameters.count else { throw .parameters }
    }

    /// The range of the string that begins at `offset`; moves `offset` after its zero byte.
    private static func string(in bytes: Span<UInt8>, from offset: inout Int) -> Range<Int>? {
        var end = offset
        while end < bytes.count, bytes[end] != 0 { end += 1 }
        guard end < bytes.count else { return nil }
        defer { offset = end + 1 }
        return offset..<end
    }
}
