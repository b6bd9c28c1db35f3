// The configuration's sources: a file overrides the defaults, the environment the file, and options override both.

import Reactor

extension Configuration {
    /// The file that is read where no other is named and it exists.
    package static let defaultFile = "/etc/pgleash/pgleash.conf"

    /// Reads `file`, or, when it is nil, `defaultFile` if it exists; then the process's environment.
    package static func read(
        file: String?, orDefault defaultFile: String
    ) throws(ConfigurationError) -> Configuration {
        var configuration = Configuration()
        if let file {
            try configuration.read(file)
        } else if let text = try Self.text(of: defaultFile) {
            try configuration.parse(text, file: defaultFile)
        }
        try configuration.apply(environmentVariables(beginningWith: variablePrefix))
        return configuration
    }

    /// The defaults, overridden by the settings of the file.
    package init(file: String) throws(ConfigurationError) {
        self.init()
        try read(file)
        try validate()
    }

    /// - Parameter file: its name for error messages.
    package init(parsing text: String, file: String) throws(ConfigurationError) {
        self.init()
        try parse(text, file: file)
        try validate()
    }

    private mutating func read(_ file: String) throws(ConfigurationError) {
        guard let text = try Self.text(of: file) else {
            throw ConfigurationError(file: file, "could not be read: no such file")
        }
        try parse(text, file: file)
    }

    /// - Returns: nil where there is no such file.
    private static func text(of file: String) throws(ConfigurationError) -> String? {
        do throws(TextFileError) {
            return try readText(at: file)
        } catch {
            switch error {
            case .system(let error) where error.isNotFound: return nil
            case .system(let error):
                throw ConfigurationError(file: file, "could not be read: \("\(error)".lowercased())")
            case .notUTF8: throw ConfigurationError(file: file, "could not be read: it is not UTF-8 text")
            }
        }
    }

    private mutating func parse(_ text: String, file: String) throws(ConfigurationError) {
        self.file = file
        let contents: INIFile
        do throws(INIFile.SyntaxError) {
            contents = try INIFile(parsing: text)
        } catch {
            throw ConfigurationError(error.reason, at: .line(file: file, error.line))
        }
        for section in contents.sections where !Setting.sections.contains(section.name) {
            let hint = Self.suggestion(for: section.name, among: Setting.sections, "sections") { "[\($0)]" }
            throw ConfigurationError("unknown section [\(section.name)]\(hint)", at: .line(file: file, section.line))
        }
        for entry in contents.entries { try apply(entry, .line(file: file, entry.line)) }
    }

    private mutating func apply(_ entry: INIEntry, _ origin: Origin) throws(ConfigurationError) {
        let siblings = Setting.all.filter { $0.section == entry.section }
        guard let setting = siblings.first(where: { $0.key == entry.key }) else {
            let hint = Self.hint(forUnknown: entry.key, among: siblings.map(\.key))
            throw ConfigurationError("[\(entry.section)] unknown key \"\(entry.key)\"\(hint)", at: origin)
        }
        if case .line(_, let earlier) = origins[setting.name] {
            let reason = "it is set in line \(earlier) too; the last line counts"
            inputWarnings.append(ConfigurationWarning(setting: "\(origin): \(setting.name)", reason: reason))
        }
        try set(setting, to: entry.value, by: origin)
    }

    /// Sets one key.
    mutating func set(_ setting: Setting, to value: String, by origin: Origin) throws(ConfigurationError) {
        guard !isMisread(value), setting.apply(&self, value) else {
            let hint = setting.hint(for: value).map { "; \($0)" } ?? ""
            let shown = setting.isSecret ? "***" : value
            throw ConfigurationError(
                "\(setting.name) = \"\(shown)\" is not allowed; allowed: \(setting.allowed)\(hint)", at: origin
            )
        }
        origins[setting.name] = origin
    }

    /// Sets one key to the value of an option.
    package mutating func set(
        _ key: String, in section: String, to value: String, byOption option: String
    ) throws(ConfigurationError) {
        guard let setting = Setting.named(Self.name(of: key, in: section)) else { return }
        try set(setting, to: value, by: .option(option))
    }

    /// The default port of `section`, for an option that names only a host.
    package static func defaultPort(of section: String) -> String? {
        Setting.named(name(of: "port", in: section))?.text(Configuration())
    }

    private static func hint(forUnknown key: String, among known: [String]) -> String {
        if ["service", "user", "password", "passfile", "dbname", "database"].contains(key) {
            return "; clients choose user and database and send the password, and pgleash passes all through"
        }
        return suggestion(for: key, among: known, "keys") { "\"\($0)\"" }
    }

    static func suggestion(
        for word: String, among known: [String], _ what: String, quoted: (String) -> String
    ) -> String {
        let all = "valid \(what): " + known.map(quoted).joined(separator: ", ")
        guard let nearest = nearestWord(to: word, among: known) else { return "; \(all)" }
        return "; did you mean \(quoted(nearest))? \(all)"
    }
}
