// The types of values on the command line.

import ArgumentParser
import Logging
import Settings

/// HOST[:PORT]; an IPv6 address is in brackets where a port follows.
struct HostPort {
    let host: String
    /// nil where none was given.
    let port: String?

    /// - Throws: `ValidationError` where the argument cannot be split. Settings validates the parts.
    init(_ argument: String) throws {
        if argument.contains("://") || argument.contains("=") {
            throw ValidationError("expected HOST:PORT: clients choose user and database")
        }
        if argument.allSatisfy(\.isNumber) { throw ValidationError("expected HOST:PORT, not only a port") }
        if argument.contains(","), argument.split(separator: ",").dropLast().contains(where: { $0.contains(":") }) {
            throw ValidationError("several hosts have one port, after the last host")
        }
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
        if argument.hasPrefix("["), let end = argument.firstIndex(of: "]") {
            host = String(argument[argument.index(after: argument.startIndex)..<end])
            let rest = argument[argument.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { throw ValidationError("expected [ADDRESS]:PORT") }
            port = rest.isEmpty ? nil : String(rest.dropFirst())
        } else if parts.count > 2 {
            throw ValidationError("an IPv6 address stands in brackets, such as [::1]:5432")
        } else {
            host = String(parts[0])
            port = parts.count == 2 ? String(parts[1]) : nil
        }
        if host.isEmpty { throw ValidationError("the host is missing") }
        if port == "" { throw ValidationError("the port is missing after \":\"") }
    }
}

/// A number of workers within the bounds of the configuration key.
struct WorkerCount: ExpressibleByArgument {
    let count: Int

    init?(argument: String) {
        guard let count = Int(argument), Configuration.workerBounds.contains(count) else { return nil }
        self.count = count
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

extension LogFormat: ExpressibleByArgument {}
