// The origin of a value.

/// The place where a value that is not the default was set.
package enum Origin: Equatable, Sendable {
    case line(file: String, Int)
    case variable(String)
    case option(String)
}

extension Origin: CustomStringConvertible {
    package var description: String {
        switch self {
        case .line(let file, let line): "\(file):\(line)"
        case .variable(let name): "environment variable \(name)"
        case .option(let name): "option \(name)"
        }
    }
}
