// The settings in the `options` of a StartupMessage, the command line of a backend: `-c name=value` and `--name=value`.
// StartupMessage interprets them.

/// Reads `options` as PostgreSQL's `pg_split_opts` and `process_postgres_switches` do.
enum StartupOptions {
    /// The settings in `options`, in order; switches other than `-c` and `--` are skipped.
    static func settings(in options: [UInt8]) -> [(name: [UInt8], value: [UInt8])] {
        var settings: [(name: [UInt8], value: [UInt8])] = []
        var words = words(in: options).makeIterator()
        while let word = words.next() {
            guard word.count >= 2, word[0] == dash else { continue }
            var setting: ArraySlice<UInt8>?
            if word[1] == dash {
                setting = word[2...]
            } else if word[1] == UInt8(ascii: "c") {
                setting = word.count > 2 ? word[2...] : words.next()?[...]
            }
            guard let setting, let equals = setting.firstIndex(of: UInt8(ascii: "=")) else { continue }
            settings.append((Array(setting[..<equals]), Array(setting[(equals + 1)...])))
        }
        return settings
    }

    /// Words are separated by white space; a backslash escapes the character after it.
    private static func words(in options: [UInt8]) -> [[UInt8]] {
        var words: [[UInt8]] = []
        var word: [UInt8]?
        var isEscaped = false
        for byte in options {
            if isEscaped {
                word = word ?? []
                word?.append(byte)
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: " ") || (9...13).contains(byte) {
                if let word { words.append(word) }
                word = nil
            } else {
                word = word ?? []
                word?.append(byte)
            }
        }
        if let word { words.append(word) }
        return words
    }

    private static let dash = UInt8(ascii: "-")
}
