// The fields of log lines, and their order.

import Logging

/// A name and a value of a log line.
package struct LogField: Sendable, Equatable {
    package enum Value: Sendable, Equatable, CustomStringConvertible {
        case text(String)
        case integer(Int64)
        case decimal(Double)

        package var description: String {
            switch self {
            case .text(let text): text
            case .integer(let number): "\(number)"
            case .decimal(let number): "\(number)"
            }
        }
    }

    let name: String
    let value: Value

    package init(_ name: String, _ value: Value) {
        (self.name, self.value) = (name, value)
    }

    /// A member of an object of JSON.
    var json: (name: String, value: JSON) {
        switch value {
        case .text(let text): (name, .text(text))
        case .integer(let number): (name, .integer(number))
        case .decimal(let number): (name, .decimal(number))
        }
    }

    /// The names of all fields in their order in a line: the client first, the outcome last. Other names follow in
    /// alphabetical order.
    private static let order: [String] = [
        "client", "user", "database", "application_name", "server", "pid", "ssl", "drop", "query_ms", "reap_ms",
        "session_ms", "attempts", "outcome", "sqlstate", "reason",
    ]

    private static let ranks = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($0.element, $0.offset) })

    /// The fields of swift-log's metadata, which has no order.
    package static func fields(of metadata: Logger.Metadata) -> [LogField] {
        metadata.map { LogField($0.key, Value($0.value)) }.sorted { left, right in
            let ranks = (ranks[left.name] ?? Int.max, ranks[right.name] ?? Int.max)
            return ranks.0 == ranks.1 ? left.name < right.name : ranks.0 < ranks.1
        }
    }
}

extension LogField.Value {
    fileprivate init(_ value: Logger.MetadataValue) {
        switch value {
        case .stringConvertible(let number as any BinaryInteger): self = .integer(Int64(clamping: number))
        case .stringConvertible(let number as Double): self = .decimal(number)
        default: self = .text("\(value)")
        }
    }
}

extension Logger.MetadataValue {
    /// A number, which is a number in JSON, too.
    package static func number(_ number: some BinaryInteger & Sendable & CustomStringConvertible) -> Self {
        .stringConvertible(number)
    }

    /// A time, in milliseconds with one decimal.
    package static func milliseconds(_ duration: Duration) -> Self {
        .stringConvertible((duration / .milliseconds(1) * 10).rounded() / 10)
    }
}
