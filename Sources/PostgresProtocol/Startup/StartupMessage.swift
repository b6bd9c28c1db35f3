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
    /// There are settings whose names begin with `pgleash.`.
    private var hasOwnSettings = false

    /// - Parameter parameters: the packet behind the protocol version: pairs of zero-terminated strings, then a zero.
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
        // PostgreSQL sets what stands in the options first, parameters over it.
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

    /// Names of settings don't mind the case.
    private static let cancelSetting: String = "pgleash.cancel"

    /// Settings of a StartupMessage, among its parameters or its `options`, whose names begin with `pgleash.` and that
    /// mean nothing: for the log, harmless and cut as names are.
    ///
    /// - Parameter packet: the whole StartupMessage that this was read from, its length field included.
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

    /// What `parse_bool` takes for true.
    private static let trueWords: [String] = ["1", "on", "true", "tru", "tr", "t", "yes", "ye", "y"]

    /// What PostgreSQL's `parse_bool`, which doesn't mind the case, takes for false.
    private static let falseWords: [String] = ["", "0", "off", "of", "false", "fals", "fal", "fa", "f", "no", "n"]

    private static func isFalse(_ value: Span<UInt8>) -> Bool { falseWords.contains { value.spellIgnoringCase($0) } }

    private static func isOff(_ value: Span<UInt8>) -> Bool { value.count > 0 && isFalse(value) }

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
