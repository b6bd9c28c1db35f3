// Reads a configuration file over the defaults, and says exactly what is wrong with one that can't be used.

import FoundationEssentials

/// What is wrong with a configuration file, for the person who wrote it.
package struct ConfigurationError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(file: String, line: Int? = nil, _ message: String) {
        description = line.map { "\(file):\($0): \(message)" } ?? "\(file): \(message)"
    }
}

extension Configuration {
    /// Where the configuration is read from when nobody says otherwise and it exists.
    package static let defaultFile = "/etc/pgleash/pgleash.conf"

    /// Reads `file`, or, when there is none, `defaultFile` if it exists.
    package init(file: String?, orDefault defaultFile: String) throws(ConfigurationError) {
        if let file {
            try self.init(file: file)
        } else if FileManager.default.fileExists(atPath: defaultFile) {
            try self.init(file: defaultFile)
        } else {
            self.init()
        }
    }

    /// The defaults with the file's settings over them. A key that stands twice counts where it stands last.
    package init(file: String) throws(ConfigurationError) {
        let text: String
        do {
            text = try String(contentsOfFile: file, encoding: .utf8)
        } catch {
            throw ConfigurationError(file: file, "could not be read: \(Self.reason(of: error))")
        }
        try self.init(parsing: text, file: file)
    }

    /// - Parameter file: the name for error messages.
    package init(parsing text: String, file: String) throws(ConfigurationError) {
        self.init()
        self.file = file
        let contents: INIFile
        do throws(INIFile.SyntaxError) {
            contents = try INIFile(parsing: text)
        } catch {
            throw ConfigurationError(file: file, line: error.line, error.reason)
        }
        for section in contents.sections where !Setting.all.contains(where: { $0.section == section.name }) {
            let known = Setting.all.map(\.section)
            throw ConfigurationError(
                file: file, line: section.line,
                "unknown section [\(section.name)]\(Self.suggestion(for: section.name, among: known) { "[\($0)]" })"
            )
        }
        for entry in contents.entries { try apply(entry, file) }
        if let contradiction = listen.tls.contradiction {
            throw ConfigurationError(file: file, "[listen] \(contradiction)")
        }
        if let contradiction = server.tls.contradiction {
            throw ConfigurationError(file: file, "[server] \(contradiction)")
        }
        if cancel.grace >= cancel.timeout {
            let line = contents.entries.last { $0.section == "cancel" && $0.key == "grace" }?.line
            throw ConfigurationError(
                file: file, line: line, "[cancel] grace must be less than timeout (\(cancel.timeout))")
        }
    }

    private mutating func apply(_ entry: INIEntry, _ file: String) throws(ConfigurationError) {
        let siblings = Setting.all.filter { $0.section == entry.section }
        guard let setting = siblings.first(where: { $0.key == entry.key }) else {
            let hint = Self.suggestion(for: entry.key, among: siblings.map(\.key)) { "\"\($0)\"" }
            throw ConfigurationError(
                file: file, line: entry.line, "[\(entry.section)] unknown key \"\(entry.key)\"\(hint)"
            )
        }
        guard !isMisread(entry.value), setting.apply(&self, entry.value) else {
            throw ConfigurationError(
                file: file, line: entry.line,
                "[\(entry.section)] \(entry.key) = \"\(entry.value)\" is not allowed; allowed: \(setting.allowed)"
                    + (setting.hint(for: entry.value).map { "; \($0)" } ?? "")
            )
        }
        lines[Self.name(of: entry.key, in: entry.section)] = entry.line
    }

    private static func reason(of error: any Error) -> String {
        switch (error as? CocoaError)?.code {
        case .fileNoSuchFile?, .fileReadNoSuchFile?: "no such file"
        case .fileReadNoPermission?: "permission denied"
        case .fileReadInapplicableStringEncoding?, .fileReadCorruptFile?: "it is not UTF-8 text"
        default: "it is not a readable file"
        }
    }

    private static func suggestion(for word: String, among known: [String], quoted: (String) -> String) -> String {
        let list = known.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        let all = "; known: " + list.map(quoted).joined(separator: ", ")
        guard let nearest = nearestWord(to: word, among: known) else { return all }
        return "; the nearest known is \(quoted(nearest))" + all
    }
}

/// The one that was probably meant; nil where that would be a guess.
func nearestWord(to word: String, among known: [String]) -> String? {
    let nearest = known.map { (word: $0, distance: editDistance(word, $0)) }.min { $0.distance < $1.distance }
    guard let nearest else { return nil }
    if nearest.distance == 1 { return nearest.word }
    // Shorter ones are in too many.
    if word.count >= 3 {
        if let match = known.first(where: { $0.hasPrefix(word) || word.hasPrefix($0) }) { return match }
        if let match = known.first(where: { $0.hasSuffix(word) || word.hasSuffix($0) }) { return match }
    }
    // Two are two letters that have changed places, in the shortest of words.
    return nearest.distance <= max(2, word.count / 3) ? nearest.word : nil
}

/// How many characters must be added, removed or replaced to make one word the other (Levenshtein).
func editDistance(_ left: String, _ right: String) -> Int {
    let (left, right) = (Array(left), Array(right))
    var row = Array(0...right.count)
    for (i, character) in left.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for j in right.indices {
            let above = row[j + 1]
            row[j + 1] = min(above + 1, row[j] + 1, diagonal + (right[j] == character ? 0 : 1))
            diagonal = above
        }
    }
    return row[right.count]
}
