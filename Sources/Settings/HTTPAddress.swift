// The address of the HTTP endpoints: HOST:PORT, or the path of a Unix socket.

import Reactor

/// The value of `[http] listen`.
package enum HTTPAddress: Equatable, Sendable, CustomStringConvertible {
    case endpoint(Endpoint)
    case unix(path: String)

    /// - Returns: nil where the text is not an address with a port or an absolute path.
    init?(_ text: String) {
        guard Self.objection(to: text) == nil else { return nil }
        if text.hasPrefix("/") {
            self = .unix(path: text)
        } else if let (host, port) = Self.parts(of: text), let number = UInt16(port) {
            self = .endpoint(Endpoint(host: host, port: number))
        } else {
            return nil
        }
    }

    package var description: String {
        switch self {
        case .endpoint(let endpoint): "\(endpoint)"
        case .unix(let path): path
        }
    }

    /// The addresses to listen on. Blocks while a name is resolved.
    package func resolve() throws(ResolutionError) -> [SocketAddress] {
        switch self {
        case .endpoint(let endpoint): try endpoint.resolve()
        case .unix(let path): [.unix(path: path)]
        }
    }

    /// Other machines can connect, as far as this is known without a name server.
    var isOpen: Bool {
        guard case .endpoint(let endpoint) = self else { return false }
        let addresses = endpoint.addressesOnHand
        return addresses.isEmpty || addresses.contains { !$0.isLoopback }
    }

    /// The name that requests may be for; nil for an address.
    package var hostName: String? {
        guard case .endpoint(let endpoint) = self, endpoint.numericAddresses() == nil else { return nil }
        return endpoint.host
    }

    /// The reason why the text is not allowed; nil where it is.
    static func objection(to text: String) -> String? {
        if text.hasPrefix("/") {
            let longest = SocketAddress.longestPath
            return text.utf8.count > longest ? "the path of a socket has at most \(longest) bytes" : nil
        }
        if text.contains("://") { return "write HOST:PORT, without http://" }
        guard let (host, port) = parts(of: text) else { return "a port is missing, such as 127.0.0.1:9188" }
        guard let number = UInt16(port), number > 0 else { return "the port is a number from 1 to 65535" }
        if host == "*" { return "write 0.0.0.0 or [::] for all addresses of the machine" }
        if host.contains(":"), !text.hasPrefix("[") { return "an IPv6 address stands in brackets, such as [::1]:9188" }
        return Settings.objection(toHost: host)
    }

    private static func parts(of text: String) -> (host: String, port: String)? {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let (host, port) = (text[..<colon], String(text[text.index(after: colon)...]))
        if host.hasPrefix("["), host.hasSuffix("]") { return (String(host.dropFirst().dropLast()), port) }
        return host.hasPrefix("[") ? nil : (String(host), port)
    }
}
