// pgleash's report, parsed: numbers by name and label, and the live sessions in their order.

/// One report.
struct Report {
    let text: String
    /// By `name` or `name{label="value"}`.
    let values: [String: Double]
    /// The fields of each live session, in the order of the report.
    let sessions: [[String: String]]

    init(parsing text: String) throws {
        self.text = text
        var values: [String: Double] = [:]
        var sessions: [[String: String]] = []
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# session ") {
                sessions.append(Self.fields(String(line.dropFirst("# session ".count))))
            } else if !line.hasPrefix("#"), let space = line.lastIndex(of: " ") {
                guard let value = Double(line[line.index(after: space)...]) else {
                    throw TimedOut(description: "a line without a number: \(line)")
                }
                values[String(line[..<space])] = value
            }
        }
        self.values = values
        self.sessions = sessions
    }

    /// A metric of `pgleash_…` without a label; -1 when there is none, which no counter ever is.
    subscript(name: String) -> Int { Int(values["pgleash_" + name] ?? -1) }

    /// A metric of `pgleash_…` with this label's value.
    subscript(name: String, label: String) -> Int {
        let value = values.first { $0.key.hasPrefix("pgleash_\(name){") && $0.key.hasSuffix("=\"\(label)\"}") }
        return Int(value?.value ?? -1)
    }

    /// The sum over all values of a metric's label.
    func sum(_ name: String) -> Int {
        Int(values.filter { $0.key.hasPrefix("pgleash_\(name){") }.reduce(0) { $0 + $1.value })
    }

    /// `key=value key="quoted value"` as a dictionary, without quotes and escapes.
    static func fields(_ line: String) -> [String: String] {
        var fields: [String: String] = [:]
        var rest = Substring(line)
        while let equals = rest.firstIndex(of: "=") {
            let key = rest[..<equals].split(separator: " ").last.map(String.init) ?? ""
            rest = rest[rest.index(after: equals)...]
            if rest.hasPrefix("\"") {
                fields[key] = quotedValue(&rest)
            } else {
                let end = rest.firstIndex(of: " ") ?? rest.endIndex
                fields[key] = String(rest[..<end])
                rest = rest[end...].dropFirst()
            }
        }
        return fields
    }

    /// A quoted value, in which a backslash precedes a quote.
    private static func quotedValue(_ rest: inout Substring) -> String {
        var value = ""
        rest = rest.dropFirst()
        while let character = rest.popFirst(), character != "\"" {
            value.append(character == "\\" ? rest.popFirst() ?? character : character)
        }
        return value
    }
}
