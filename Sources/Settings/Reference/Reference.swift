// The generator of conf/pgleash.conf and docs/configuration.md from the table of settings; `make reference` updates the
// files. ManualPage.swift generates the manual page.

extension Configuration {
    /// conf/pgleash.conf: every key with its default.
    package static var exampleFile: String {
        let heading = comment(
            """
            pgleash.conf: every key with its default, written by `make reference`. pgleash reads the file at \
            start; `pgleash --check-config` says what is wrong with it. Times take a unit of postgresql.conf: us, \
            ms, s, min, h, d; without one they are seconds, except tcp_user_timeout (milliseconds). Sizes need a \
            unit. A comment has a line of its own, and values stand without quotes. Several values are separated by \
            commas.
            """
        )
        return heading
            + bySection.map { name, settings in
                "\n[\(name)]\n" + settings.map(\.fileEntry).joined(separator: "\n")
            }.joined()
    }

    /// docs/configuration.md.
    package static var reference: String {
        """
        # Configuration

        <!-- Written by `make reference` from Sources/Settings/Table. -->

        [conf/pgleash.conf](../conf/pgleash.conf) has the same keys with their defaults, as a file to begin with.
        `man 5 pgleash.conf` shows this reference, too. Command-line options override environment variables, these
        override the configuration file, and the file overrides the defaults.

        - A key stands in the section that is named here. Of a key that stands twice the last line counts.
        - Values stand without quotes, and a comment has a line of its own. Several values are separated by commas.
        - Times take a unit of `postgresql.conf`: `us`, `ms`, `s`, `min`, `h`, `d`. Without a unit they are seconds,
          except `tcp_user_timeout` (milliseconds). Sizes need one of `B`, `kB`, `MB`, `GB`, `TB`.
        - Each key is also an environment variable, in upper case and without quotes around its value. Keys of
          `[pgleash]` need no section: `PGLEASH_LOG_LEVEL` is the same as `PGLEASH_PGLEASH_LOG_LEVEL`.
        - A change takes effect at a restart. Where SIGHUP is named, pgleash also reads the file again that the key
          names, for the connections to come.

        """
            + bySection.map { name, settings in
                "\n## [\(name)]\n\n" + settings.map(\.documentEntry).joined(separator: "\n")
            }.joined()
    }

    static var bySection: [(name: String, settings: [Setting])] {
        Setting.all.reduce(into: []) { sections, setting in
            if sections.last?.name != setting.section { sections.append((setting.section, [])) }
            sections[sections.count - 1].settings.append(setting)
        }
    }
}

extension Setting {
    private var value: String? { defaultWords == nil ? text(Configuration()) : nil }

    /// The default for a reader; `mark` marks a value.
    func defaultText(_ mark: (String) -> String) -> String { value.map(mark) ?? defaultWords ?? "none" }

    /// The time at which a change takes effect.
    var effect: String { isReread ? "restart; SIGHUP for the contents of the file" : "restart" }

    fileprivate var fileEntry: String {
        let words = defaultWords.map { " The default is \($0)." } ?? ""
        let line = value.map { "\(key) = \($0)" } ?? "#\(key) = \(example ?? "")"
        return comment("\(meaning)\(words) Allowed: \(allowed).") + line + "\n"
    }

    fileprivate var documentEntry: String {
        """
        ### `\(key)`

        \(lines(of: meaning).joined(separator: "\n"))

        - Default: \(defaultText { "`\($0)`" })
        - Allowed: \(allowed)
        - Environment: `\(variable)`
        - Takes effect: \(effect)

        """
    }
}

private func comment(_ text: String) -> String { lines(of: text).map { "# \($0)\n" }.joined() }

/// The words of `text` in lines of at most `length` characters.
func lines(of text: String, length: Int = 118) -> [String] {
    text.split(separator: " ").reduce(into: [""]) { lines, word in
        let line = lines[lines.count - 1]
        if line.isEmpty {
            lines[lines.count - 1] = String(word)
        } else if line.count + 1 + word.count <= length {
            lines[lines.count - 1] = "\(line) \(word)"
        } else {
            lines.append(String(word))
        }
    }
}
