// `pgleash --ping`: is pgleash there, and is the server behind it?

import Reactor
import Settings
import Upstream

/// Probes the first address pgleash listens on, and, since pgleash takes clients also when the server doesn't, the
/// server behind it.
///
/// - Returns: what was found, in one line, and pg_isready's exit code for it; 1 where pgleash is there and its server
///   is not, for whatever reason.
package func checkHealth(_ configuration: Configuration, _ security: ServerSecurity) -> (line: String, exitCode: Int32)
{
    // OpenSSL writes without MSG_NOSIGNAL.
    SignalWatch.ignoreBrokenPipes()
    guard var door = configuration.listen.endpoints.first?.first else { return ("no address to listen on", 3) }
    if door.host == "0.0.0.0" { door = Endpoint(host: "127.0.0.1", port: door.port) }
    if door.host == "::" { door = Endpoint(host: "::1", port: door.port) }
    let isTLSDemanded = configuration.listen.tls.mode == .require && configuration.listen.tls.clientAuthorities == nil
    let atDoor = door.probe(isTLSDemanded ? .unverified : .none)
    guard atDoor.status == .accepting else { return ("\(door) - \(atDoor)", atDoor.status.rawValue) }
    let servers = configuration.server.endpoints.map { ($0, $0.probe(security)) }
    // Any of several servers will do.
    guard let best = servers.min(by: { $0.1.status.rawValue < $1.1.status.rawValue }) else { return ("no server", 3) }
    // 2 would say that pgleash is not there.
    let status = best.1.status == .accepting ? best.1.status : .rejecting
    return ("\(door) -> \(best.0) - \(best.1)", status.rawValue)
}
