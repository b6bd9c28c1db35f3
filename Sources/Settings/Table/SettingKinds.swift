// The kinds of values that settings have, with their bounds and units.

import Logging
import PostgresProtocol
import TLS

extension Setting.Kind where Value: FixedWidthInteger {
    static func integer(_ bounds: ClosedRange<Value>) -> Self {
        Self(
            allowed: "\(bounds.lowerBound) to \(bounds.upperBound)",
            parse: { Settings.integer($0, bounds) },
            text: { "\($0)" }
        )
    }
}

extension Setting.Kind where Value == Int {
    /// Bytes.
    static func size(_ bounds: ClosedRange<Int>) -> Self {
        Self(
            allowed: "\(sizeText(bounds.lowerBound)) to \(sizeText(bounds.upperBound)), with a unit: B, kB, MB, GB, TB",
            parse: { Settings.size($0, bounds) },
            text: { sizeText($0) }
        )
    }
}

extension Setting.Kind where Value == Duration {
    static func duration(_ bounds: ClosedRange<Duration>) -> Self {
        Self(
            allowed: "\(durationText(bounds.lowerBound)) to \(durationText(bounds.upperBound))",
            isTime: true,
            parse: { Settings.duration($0, bounds) },
            text: { durationText($0) }
        )
    }

    /// A time that the kernel counts in whole seconds.
    static let wholeSeconds = Self(
        allowed: "0 to 32767s, whole seconds", isTime: true, parse: { seconds($0) }, text: { durationText($0) }
    )

    /// A time that postgresql.conf counts in milliseconds.
    static let milliseconds = Self(
        allowed: "0 to 1d", isTime: true, parse: { Settings.milliseconds($0) }, text: { durationText($0) }
    )
}

extension Setting.Kind where Value: CaseIterable & RawRepresentable<String> {
    /// A word of an enumeration.
    static var choice: Self {
        Self(
            allowed: choices(of: Value.self), parse: { Value(rawValue: $0) }, text: { $0.rawValue },
            objection: { suggestion(for: $0, among: Value.allCases.map(\.rawValue)) }
        )
    }
}

extension Setting.Kind {
    /// Several words of an enumeration.
    static func words<Word: CaseIterable & RawRepresentable<String> & Hashable>() -> Self where Value == Set<Word> {
        let known = Word.allCases.map(\.rawValue)
        let words = { @Sendable (text: String) in
            text.split(separator: ",", omittingEmptySubsequences: false).map { String($0.trimmed) }
        }
        return Self(
            allowed: known.joined(separator: ", ") + ", or several of them, separated by commas",
            parse: { text in
                let parsed = words(text).map { Word(rawValue: $0) }
                return parsed.contains(nil) ? nil : Set(parsed.compactMap(\.self))
            },
            text: { words in words.isEmpty ? nil : words.map(\.rawValue).sorted().joined(separator: ",") },
            objection: { text in
                let unknown = words(text).first { !known.contains($0) }
                // A comma may be missing.
                return unknown.flatMap { $0.contains(" ") ? nil : suggestion(for: $0, among: known) }
            }
        )
    }
}

extension Setting.Kind where Value == TLSVersion? {
    static let version = Self(
        allowed: choices(of: TLSVersion.self),
        parse: { text in TLSVersion(rawValue: text).map { Optional($0) } },
        text: { $0?.rawValue }
    )
}

extension Setting.Kind where Value == Bool {
    /// As libpq writes it.
    static let flag = Self(allowed: "0 or 1", parse: { boolean($0) }, text: { $0 ? "1" : "0" })
    /// As postgresql.conf writes it.
    static let onOff = Self(allowed: "on or off", parse: { boolean($0) }, text: { $0 ? "on" : "off" })
}

extension Setting.Kind where Value == String {
    static let ciphers = Self(
        allowed: "a list of OpenSSL's ciphers", parse: { $0.isEmpty ? nil : $0 }, text: { $0 }
    )
}

extension Setting.Kind where Value == String? {
    static let path = Self(
        allowed: absolutePath, parse: { value in Settings.path(value).map { Optional($0) } }, text: { $0 }
    )
}

extension Setting.Kind where Value == TLSClientOptions.Authorities? {
    static let authorities = Self(
        allowed: absolutePath + ", or \"system\"",
        parse: { $0 == "system" ? .some(.system) : Settings.path($0).map { .file($0) } },
        text: { authorities in
            switch authorities {
            case .system: "system"
            case .file(let path): path
            case nil: nil
            }
        }
    )
}

extension Setting.Kind where Value == [String] {
    static let hostNames = Self(
        allowed: "host names, separated by commas",
        parse: { Settings.hostNames($0) },
        text: { $0.isEmpty ? nil : $0.joined(separator: ",") },
        objection: { Settings.objection(toHosts: $0, isAllAllowed: false) }
    )
    static let hosts = Self(
        allowed: hostList,
        parse: { Settings.hosts($0, isAllAllowed: false) },
        text: { $0.joined(separator: ",") },
        objection: { Settings.objection(toHosts: $0, isAllAllowed: false) }
    )
    static let hostsOrAll = Self(
        allowed: hostList + ", or \"*\"",
        parse: { Settings.hosts($0, isAllAllowed: true) },
        text: { $0.joined(separator: ",") },
        objection: { Settings.objection(toHosts: $0, isAllAllowed: true) }
    )
}

extension Setting.Kind where Value == HTTPAddress? {
    static let httpAddress = Self(
        allowed: "HOST:PORT, or the absolute path of a Unix socket",
        parse: { text in HTTPAddress(text).map { Optional($0) } },
        text: { $0?.description },
        objection: { HTTPAddress.objection(to: $0) }
    )
}

extension Setting.Kind where Value == Set<Identifier> {
    static let names = Self(
        allowed: "names separated by commas, without quotes",
        parse: { Settings.names($0) },
        // Only for readers, as a name can be cut.
        text: { names in
            let texts = names.map { String(decoding: $0.bytes, as: UTF8.self) }.sorted()
            return texts.isEmpty ? nil : texts.joined(separator: ",")
        }
    )
}

extension Setting.Kind where Value == Logger.Level {
    static let level = Self(
        allowed: Logger.Level.allCases.map(\.rawValue).joined(separator: ", "),
        parse: { Logger.Level(rawValue: $0.lowercased()) },
        text: { $0.rawValue },
        objection: { suggestion(for: $0.lowercased(), among: Logger.Level.allCases.map(\.rawValue)) }
    )
}

private let absolutePath = "an absolute path"
private let hostList = "addresses, host names or socket directories, separated by commas"

private func suggestion(for word: String, among known: [String]) -> String? {
    nearestWord(to: word, among: known).map { "did you mean \"\($0)\"?" }
}

/// A time in the largest of the units d, h, s and ms of which it is a whole number.
func durationText(_ duration: Duration) -> String {
    if duration == .zero { return "0" }
    let units: [(Duration, String)] = [(.seconds(86_400), "d"), (.seconds(3600), "h"), (.seconds(1), "s")]
    let (unit, name) = units.first { duration / $0.0 == (duration / $0.0).rounded() } ?? (.milliseconds(1), "ms")
    return "\(Int((duration / unit).rounded()))\(name)"
}

/// A size in the largest unit of which it is a whole number.
func sizeText(_ bytes: Int) -> String {
    if bytes == 0 { return "0" }
    let units = [(1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")]
    let (unit, name) = units.first { bytes % $0.0 == 0 } ?? (1, "B")
    return "\(bytes / unit)\(name)"
}
