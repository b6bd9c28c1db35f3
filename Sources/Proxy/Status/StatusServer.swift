// The HTTP endpoints' thread: its sockets, its loop, and the messages that reach it. StatusEndpoints answers.

import HTTP
import Reactor
import Settings
import Telemetry

/// Messages of other threads to the endpoints.
enum StatusEvent: Sendable {
    /// The workers run.
    case started(StatusSources)
    /// A worker's copy of its sessions.
    case sessions(worker: Int, [SessionSnapshot])
    /// A worker's loop runs.
    case alive(worker: Int)
    /// Whether a server accepts connections.
    case probed(Bool)
}

/// The objects of the process that the endpoints read.
final class StatusSources: Sendable {
    let collector: MetricCollector
    let workers: [Mailbox<WorkerMessage>]
    let orphans: OrphanHistory
    /// The addresses that clients connect to.
    let listening: [SocketAddress]
    let sessionQuota: Quota

    init(
        collector: MetricCollector, workers: [Mailbox<WorkerMessage>], orphans: OrphanHistory,
        listening: [SocketAddress], sessionQuota: Quota
    ) {
        (self.collector, self.workers, self.orphans) = (collector, workers, orphans)
        (self.listening, self.sessionQuota) = (listening, sessionQuota)
    }
}

/// The HTTP endpoints, on a thread with a loop of its own, so that no client of theirs delays a session.
final class StatusServer: Sendable {
    /// The number of connections that wait to be accepted.
    private static let backlog: Int32 = 64
    /// The endpoints relay nothing.
    private static let receiveBufferSize = 4096

    /// The bound addresses.
    let addresses: [SocketAddress]
    private let events = Mailbox<StatusEvent>()

    /// Begins to serve. Until `started` only the health endpoints have something to say.
    ///
    /// - Parameter failed: called when the endpoints could not start, on their thread.
    /// - Throws: `StartError` where the address cannot be bound.
    init(
        at address: HTTPAddress, _ configuration: Configuration, _ state: ProcessState,
        failed: @escaping @Sendable (SystemError) -> Void
    ) throws(StartError) {
        let sockets = try Self.listen(on: address)
        addresses = sockets.map(\.address)
        let hosts = Self.hosts(configuration, address)
        do throws(SystemError) {
            try startThread(named: "http") { [events] in
                lowerPriorityOfThisThread()
                let loop = LibeventLoop(receiveBufferSize: Self.receiveBufferSize)
                let endpoints = StatusEndpoints(on: loop, state, events)
                do throws(SystemError) {
                    try events.open(on: loop) { endpoints.receive($0) }
                    let server = try HTTPServer(loop: loop, sockets: sockets, hosts: hosts) { endpoints.answer($0) }
                    withExtendedLifetime(server) { loop.run() }
                } catch {
                    failed(error)
                }
            }
        } catch {
            throw StartError(description: "could not start the thread of the HTTP endpoints: \(error)")
        }
    }

    /// The workers run.
    func started(_ sources: StatusSources) { events.post(.started(sources)) }

    /// No browser reaches a Unix socket.
    private static func hosts(_ configuration: Configuration, _ address: HTTPAddress) -> HostCheck? {
        if case .unix = address { return nil }
        return HostCheck(names: configuration.http.allowedHosts + (address.hostName.map { [$0] } ?? []))
    }

    /// Of the addresses of a name, those of a family that the machine lacks may be missing.
    private static func listen(on address: HTTPAddress) throws(StartError) -> [ListeningSocket] {
        let addresses: [SocketAddress]
        do throws(ResolutionError) { addresses = try address.resolve() } catch {
            throw StartError(description: "[http] listen: \(error)")
        }
        var sockets: [ListeningSocket] = []
        for address in addresses {
            do throws(SystemError) {
                sockets.append(try ListeningSocket(address, backlog: backlog))
            } catch {
                if error.isAddressUnavailable, address != addresses.last || !sockets.isEmpty { continue }
                throw StartError(description: "[http] listen: could not listen on \(address): \(error)")
            }
        }
        return sockets
    }
}
