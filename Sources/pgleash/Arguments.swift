// The kinds of values on the command line.

import ArgumentParser
import Logging
import Settings

/// HOST:PORT; the host of an IPv6 address stands in brackets.
struct HostPort: ExpressibleByArgument {
    let host: String
    let port: UInt16

    init?(argument: String) {
        guard let colon = argument.lastIndex(of: ":"), let port = UInt16(argument[argument.index(after: colon)...]),
            port > 0
        else { return nil }
        let host = argument[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            self.host = String(host.dropFirst().dropLast())
        } else if host.isEmpty || host.contains(":") {
            return nil
        } else {
            self.host = String(host)
        }
        self.port = port
    }
}

/// A number of workers within the bounds of the configuration file's key.
struct WorkerCount: ExpressibleByArgument {
    let count: Int

    init?(argument: String) {
        guard let count = Int(argument), Configuration.workerBounds.contains(count) else { return nil }
        self.count = count
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
