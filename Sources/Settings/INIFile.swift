// The parser of the INI format of libpq's service file: `[section]`, `key = value`, lines that begin with `#`.
// Configuration interprets the keys.

/// One `key = value` line.
struct INIEntry: Equatable, Sendable {
    let section: String
    let key: String
    let value: String
    /// The number of the line in the file, from 1.
    let line: Int
}

/// The header of a section.
struct INISection: Equatable, Sendable {
    let name: String
    let line: Int
}

/// The lines of a file, parsed but not interpreted.
struct INIFile: Equatable, Sendable {
    private(set) var sections: [INISection] = []
    private(set) var entries: [INIEntry] = []

    /// A line that is neither header, entry, comment nor blank.
    struct SyntaxError: Error, Equatable {
        let line: Int
        let reason: String
    }

    init(parsing text: String) throws(SyntaxError) {
        var section: String?
        let lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
        for (index, rawLine) in lines.enumerated() {
            let (number, line) = (index + 1, rawLine.trimmed)
            if line.unicodeScalars.contains(where: { $0.value < 0x20 && $0 != "\t" || $0.value == 0x7f }) {
                throw SyntaxError(line: number, reason: "the line contains a control character")
            }
            if line.isEmpty || line.hasPrefix("#") || line.hasPrefix(";") { continue }
            if line.hasPrefix("[") {
                guard line.hasSuffix("]") else {
                    throw SyntaxError(line: number, reason: "missing \"]\" in section header")
                }
                let name = String(line.dropFirst().dropLast().trimmed)
                sections.append(INISection(name: name, line: number))
                section = name
                continue
            }
            guard let equals = line.firstIndex(of: "=") else {
                throw SyntaxError(line: number, reason: "expected \"key = value\" or \"[section]\"")
            }
            guard let section else {
                throw SyntaxError(
                    line: number, reason: "key outside of a section; sections begin with a line such as [listen]")
            }
            let (key, value) = (line[..<equals].trimmed, line[line.index(after: equals)...].trimmed)
            entries.append(INIEntry(section: section, key: String(key), value: String(value), line: number))
        }
    }
}

extension StringProtocol where SubSequence == Substring {
    /// The text without white space at either end.
    var trimmed: Substring {
        let start = self[...].drop { $0.isWhitespace }
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return start[start.endIndex...] }
        return start[...last]
    }
}
