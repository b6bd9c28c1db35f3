// Reads a configuration file over the defaults, and says exactly what is wrong with one that can't be used.

import Reactor

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
        } else if let text = try Self.text(of: defaultFile) {
            try self.init(parsing: text, file: defaultFile)
        } else {
            self.init()
        }
    }

    /// The defaults with the file's settings over them. A key that stands twice counts where it stands last.
    package init(file: String) throws(ConfigurationError) {
        guard let text = try Self.text(of: file) else {
            throw ConfigurationError(file: file, "could not be read: no such file")
        }
        try self.init(parsing: text, file: file)
    }

    /// - Returns: nil where there is no such file.
    private static func text(of file: String) throws(ConfigurationError) -> String? {
        do throws(TextFileError) {
            return try readText(at: file)
        } catch .system(let error) where error.isNotFound {
            return nil
        } catch .system(let error) where error.isPermissionDenied {
            throw ConfigurationError(file: file, "could not be read: permission denied")
        } catch .notUTF8 {
            throw ConfigurationError(file: file, "could not be read: it is not UTF-8 text")
        } catch {
            throw ConfigurationError(file: file, "could not be read: it is not a readable file")
        }
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

    private static func suggestion(for word: String, among known: [String], quoted: (String) -> String) -> String {
        let list = known.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        let all = "; known: " + list.map(quoted).joined(separator: ", ")
        guard let nearest = nearestWord(to: word, among: known) else { return all }
        return "; the nearest known is \(quoted(nearest))" + all
    }
}
