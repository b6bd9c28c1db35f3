// The syntax of hosts: an IP address, a host name or the directory of a Unix socket.

import Reactor

/// The reason why `host` is invalid; nil where it is valid.
func objection(toHost host: String) -> String? {
    if host.isEmpty { return "a host is missing" }
    if isQuoted(host) { return "values must not be quoted" }
    if host.contains("://") { return "write only the host of a URL: clients choose user and database" }
    if host.contains("$") { return "variables are not expanded; each key can be set by an environment variable" }
    if host.hasPrefix("/") { return nil }
    if host.contains("/") { return "the directory of a socket must be an absolute path" }
    if host.contains("=") { return "write only the host" }
    if let wrong = host.unicodeScalars.first(where: { !isHostCharacter($0) }) {
        return "no host name contains \(String(wrong).debugDescription)"
    }
    if hasPort(host) { return "the port has a key of its own" }
    let isNumeric = host.contains(":") || host.allSatisfy { $0 == "." || $0.isNumber }
    // inet_aton(3) accepts a number alone, too.
    let isAddress = host.contains { !$0.isNumber } && !Endpoint(host: host, port: 1).addressesOnHand.isEmpty
    return isNumeric && !isAddress ? "\"\(host)\" is not an IP address" : nil
}

/// Letters, digits and punctuation of names and addresses; `%` precedes the zone of an IPv6 address.
private func isHostCharacter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9", "-", ".", "_", ":", "%": true
    default: false
    }
}

/// A port after a colon, as in other programs; an IPv6 address has more than one colon.
private func hasPort(_ host: String) -> Bool { host.count { $0 == ":" } == 1 }
