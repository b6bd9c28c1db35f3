// The check of the Host field against DNS rebinding: a page of another site whose name is made to resolve to this
// machine gets no answer, as its browser sends that name.

import Reactor

/// The hosts that requests may be for.
package struct HostCheck: Sendable {
    private let names: Set<String>

    /// - Parameter names: the allowed names beside `localhost`. An IP address is always allowed, as no name resolves
    ///   to what the client wrote itself.
    package init(names: [String]) {
        self.names = Set(names.map(Self.normalized) + ["localhost"])
    }

    /// - Parameter host: the value of the field, with or without a port; nil where there is none, as a browser always
    ///   sends one.
    package func allows(_ host: String?) -> Bool {
        guard let host else { return true }
        let name = Self.normalized(Self.withoutPort(host))
        return names.contains(name) || isAddress(name)
    }

    private func isAddress(_ name: String) -> Bool {
        // Other forms of numeric addresses that getaddrinfo accepts are none for a browser.
        let hasForm = name.contains(":") || name.split(separator: ".", omittingEmptySubsequences: false).count == 4
        return hasForm && Endpoint(host: name, port: 0).numericAddresses() != nil
    }

    /// Names are compared regardless of case, and with or without the dot of the root.
    private static func normalized(_ name: String) -> String {
        let name = name.lowercased()
        return name.hasSuffix(".") ? String(name.dropLast()) : name
    }

    private static func withoutPort(_ host: String) -> String {
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") {
            let rest = host[host.index(after: end)...]
            guard rest.isEmpty || isPort(rest) else { return "" }
            return String(host[host.index(after: host.startIndex)..<end])
        }
        guard let colon = host.firstIndex(of: ":"), isPort(host[colon...]) else { return host }
        return String(host[..<colon])
    }

    /// A colon and a number, or nothing after it.
    private static func isPort(_ text: Substring) -> Bool {
        text.first == ":" && text.dropFirst().allSatisfy { $0.isASCII && $0.isNumber }
    }
}
