// The parsers of values: nil where a value is not allowed.

import PostgresProtocol

/// Whether the value is written as in postgresql.conf, in quotes or with a comment after it, which would become part of
/// it.
func isMisread(_ value: String) -> Bool { isQuoted(value) || hasComment(value, marks: ["#", ";"]) }

func isQuoted(_ text: String) -> Bool {
    guard text.count > 1, let first = text.first else { return false }
    return isQuote(first) && text.last == first
}

func isQuote(_ character: Character) -> Bool { character == "'" || character == "\"" }

/// Whether a word begins with one of the marks; the first word may, if it is longer than the mark.
func hasComment(_ text: String, marks: [String]) -> Bool {
    let words = text.split(whereSeparator: \.isWhitespace)
    return marks.contains { mark in
        words.first?.elementsEqual(mark) == true || words.dropFirst().contains { $0.hasPrefix(mark) }
    }
}

func path(_ value: String) -> String? { value.hasPrefix("/") ? value : nil }

/// The words of an enumeration, as the error message lists them.
func choices<Choice: CaseIterable & RawRepresentable<String>>(of: Choice.Type) -> String {
    Choice.allCases.map(\.rawValue).joined(separator: ", ")
}

/// - Parameter isAllAllowed: `*` stands for all addresses of the machine.
func hosts(_ value: String, isAllAllowed: Bool) -> [String]? {
    objection(toHosts: value, isAllAllowed: isAllAllowed) == nil ? hostWords(value) : nil
}

/// The error in a list of hosts; nil where there is none.
func objection(toHosts value: String, isAllAllowed: Bool) -> String? {
    hostWords(value).lazy.filter { !(isAllAllowed && $0 == "*") }.compactMap { objection(toHost: $0) }.first
}

/// Names without ports; a directory is none.
func hostNames(_ value: String) -> [String]? {
    guard let names = hosts(value, isAllAllowed: false), !names.contains(where: { $0.hasPrefix("/") }) else {
        return nil
    }
    return names
}

private func hostWords(_ value: String) -> [String] {
    value.split(separator: ",", omittingEmptySubsequences: false).map { word in
        let host = word.trimmed
        // The brackets of an IPv6 address, which are usual before a port.
        return String(host.hasPrefix("[") && host.hasSuffix("]") ? host.dropFirst().dropLast() : host)
    }
}

func integer<Value: FixedWidthInteger>(_ text: String, _ bounds: ClosedRange<Value>) -> Value? {
    guard let value = Value(text), bounds.contains(value) else { return nil }
    return value
}

/// An empty value stands for no names.
func names(_ value: String) -> Set<Identifier>? {
    if value.isEmpty { return [] }
    let names = value.split(separator: ",", omittingEmptySubsequences: false).map { String($0.trimmed) }
    return names.contains { $0.isEmpty || $0.contains("\"") || isQuoted($0) } ? nil : Set(names.map { Identifier($0) })
}

/// The words of postgresql.conf, without their abbreviations.
func boolean(_ text: String) -> Bool? {
    switch text.lowercased() {
    case "on", "true", "yes", "1": true
    case "off", "false", "no", "0": false
    default: nil
    }
}

/// A time that the kernel counts in whole seconds, within its bound.
func seconds(_ text: String) -> Duration? {
    guard let value = duration(text, .zero...(.seconds(32_767))) else { return nil }
    return value.components.attoseconds == 0 ? value : nil
}

/// A time that postgresql.conf counts in milliseconds.
func milliseconds(_ text: String) -> Duration? {
    duration(text, .zero...(.seconds(86_400)), unit: .milliseconds(1))
}

/// A whole number with a unit of postgresql.conf; `unit` is the default unit.
func duration(
    _ text: String, _ bounds: ClosedRange<Duration>, unit missing: Duration = .seconds(1)
) -> Duration? {
    guard let (count, name) = quantity(text), let unit = name.isEmpty ? missing : timeUnit(name) else { return nil }
    let value = unit * count
    return bounds.contains(value) ? value : nil
}

private func timeUnit(_ name: Substring) -> Duration? {
    switch name {
    case "us": .microseconds(1)
    case "ms": .milliseconds(1)
    case "s": .seconds(1)
    case "min": .seconds(60)
    case "h": .seconds(3600)
    case "d": .seconds(86_400)
    default: nil
    }
}

/// Whether it is a number of any size, with a unit of postgresql.conf or none.
func hasTimeUnit(_ text: String) -> Bool {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let unit = text[digits.endIndex...].trimmed
    return !digits.isEmpty && (unit.isEmpty || timeUnit(unit) != nil)
}

/// A size in bytes: a whole number with a unit of postgresql.conf, which only 0 does not need.
func size(_ text: String, _ bounds: ClosedRange<Int>) -> Int? {
    guard let (count, name) = quantity(text) else { return nil }
    let unit: Int
    switch name {
    case "B": unit = 1
    case "" where count == 0: unit = 1
    case "kB": unit = 1 << 10
    case "MB": unit = 1 << 20
    case "GB": unit = 1 << 30
    case "TB": unit = 1 << 40
    default: return nil
    }
    let (value, overflow) = count.multipliedReportingOverflow(by: unit)
    return !overflow && bounds.contains(value) ? value : nil
}

/// A number below 1,000,000,000 and the text after it.
private func quantity(_ text: String) -> (count: Int, unit: Substring)? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let count = Int(digits), count < 1_000_000_000 else { return nil }
    return (count, text[digits.endIndex...].trimmed)
}
