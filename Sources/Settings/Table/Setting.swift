// A key of the configuration file: its meaning, its allowed values, and the property that it sets. The table of all
// keys is in the other files of this folder. Parsing, error messages, conf/pgleash.conf and docs/configuration.md use
// it.

/// One key of the configuration file. Names and units are those of libpq and postgresql.conf where these have one.
package struct Setting: Sendable {
    let section: String
    let key: String
    /// The allowed values, as in error messages and the reference.
    let allowed: String
    /// The value is a time, with a unit.
    let isTime: Bool
    /// The effect of the setting, in whole sentences.
    let meaning: String
    /// The default in words, where it depends on the machine.
    let defaultWords: String?
    /// The value in pgleash.conf, commented out, where there is no default.
    let example: String?
    /// The value names a file that is read again at SIGHUP.
    let isReread: Bool
    /// The value must not be shown.
    package let isSecret: Bool
    /// The reason why a value is not allowed, where `allowed` does not suffice.
    private let objection: @Sendable (String) -> String?
    /// Sets the value; false when it is not allowed.
    let apply: @Sendable (inout Configuration, String) -> Bool
    /// The value as it is written in the file; nil where there is none.
    let text: @Sendable (Configuration) -> String?

    init<Value: Sendable>(
        _ section: String,
        _ key: String,
        _ place: any WritableKeyPath<Configuration, Value> & Sendable,
        _ kind: Kind<Value>,
        allowed: String? = nil,
        defaultWords: String? = nil,
        example: String? = nil,
        isReread: Bool = false,
        isSecret: Bool = false,
        _ meaning: String
    ) {
        self.section = section
        self.key = key
        self.allowed = allowed ?? kind.allowed
        self.meaning = meaning
        self.defaultWords = defaultWords
        self.example = example
        (self.isReread, self.isSecret) = (isReread, isSecret)
        isTime = kind.isTime
        objection = kind.objection
        apply = { configuration, text in
            guard let value = kind.parse(text) else { return false }
            configuration[keyPath: place] = value
            return true
        }
        text = { kind.text($0[keyPath: place]) }
    }

    /// All keys, in the order of the file.
    static let all = listen + server + cancel + monitor + http + process

    /// The names of all sections, in the order of the file.
    static let sections = all.reduce(into: [String]()) { if $0.last != $1.section { $0.append($1.section) } }

    static func named(_ name: String) -> Setting? { all.first { $0.name == name } }

    /// The key with its section.
    var name: String { Configuration.name(of: key, in: section) }

    /// A hint for an error about a value that is not allowed; nil where `allowed` suffices.
    func hint(for value: String) -> String? {
        if hasComment(value, marks: ["#", ";"]) { return "comments must be on their own line" }
        if value.contains(where: isQuote) { return "values must not be quoted" }
        if let objection = objection(value) { return objection }
        return isTime && !hasTimeUnit(value) ? "a time is a whole number with us, ms, s, min, h or d" : nil
    }
}

extension Setting {
    /// The parser and the text form of one kind of values.
    struct Kind<Value: Sendable>: Sendable {
        let allowed: String
        var isTime = false
        /// Nil for a value that is not allowed.
        let parse: @Sendable (String) -> Value?
        /// Nil where there is no value.
        let text: @Sendable (Value) -> String?
        /// The reason why a value is not allowed, where `allowed` does not suffice.
        var objection: @Sendable (String) -> String? = { _ in nil }
    }
}
