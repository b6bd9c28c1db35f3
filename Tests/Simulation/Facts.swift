// The events of a schedule that must be recorded when they happen. The rest can be seen at its end.

import CancelPolicy
import Logging
import Reactor
import Simulation
import TestSupport
import Upstream

/// The record of one schedule, on one thread; a Logger's handler and a mailbox require it to be sendable.
final class Facts: @unchecked Sendable {
    /// A log line about an orphan's end.
    struct Reaped {
        let client: Int
        let outcome: Outcome
        let drop: String
        let milliseconds: Double
    }

    /// A cancel whose process had exited, or never existed.
    struct Unmatched {
        let target: FakeBackend?
        /// pgleash had closed the cancel connection, as it took too long.
        let wasAbandoned: Bool
    }

    var accepted = 0
    /// The reason of the end of each client's session, which should be one.
    var reasons: [Int: [EndReason]] = [:]
    var reaped: [Reaped] = []
    /// The statements that pgleash left running, with the outcome.
    var orphans: [(backend: FakeBackend, how: String)] = []
    var unmatched: [Unmatched] = []
    /// The statements that pgleash reported as ended while they ran.
    var falseReports: [String] = []
    /// Whether a statement of a client runs.
    var isRunning: ((_ client: Int) -> Bool)?
    /// The most cancel connections at a time.
    var mostCancels = 0
    var packets = 0
    /// The backends that the monitor has signalled.
    var signals = 0
    /// The connections of the monitor that broke or lacked rights.
    var monitorFailures = 0
    var startMonitor: ((HostAddress, Mailbox<CancelOrder>, Monitors) -> Void)?
    var cancelsWhileIdle: [FakeBackend] = []
    var commitsCutShort: [FakeBackend] = []
    var cancelsAfterEnd: [FakeBackend] = []
    var cancelsToNobody: [String] = []
    var cancelsToExcluded: [FakeBackend] = []
    /// The bytes that did not arrive although all actors waited for them.
    var stuck: [String] = []
    var isEndless = false
    var drained = 0
    var sessionsLeft = 0
    /// A connector has tried again within one order, so the start time of the order is not known.
    var hasRetried = false
    /// The answers to SSLRequests.
    var sslAnswers: Set<FakeListener.Answer> = []
    var trace: ((String) -> Void)?

    private var orphanRequests: Set<[UInt8]> = []
    private var clientRequests: Set<[UInt8]> = []

    /// The dispatcher got an order.
    func noteOrder(_ order: CancelOrder) {
        guard let request = order.key?.cancelRequest else { return }
        switch order.purpose {
        case .orphan: orphanRequests.insert(request)
        case .client, .unknownKey: clientRequests.insert(request)
        }
    }

    /// The monitor has signalled a backend by a statement that was sent in this step of the world.
    func noteSignal(_ target: FakeBackend, sentAt step: Int) {
        signals += 1
        if target.client?.isLeftOut == true { cancelsToExcluded.append(target) }
        if let closed = target.closedAt, closed < step { cancelsAfterEnd.append(target) }
        if let idle = target.idleSince, idle < step, !target.hasIgnoredFailedCopySync {
            cancelsWhileIdle.append(target)
        }
    }

    /// A CancelRequest is on its way.
    func noteCancel(_ cancel: FakeCancel, _ request: [UInt8], _ world: World) {
        packets += 1
        guard !clientRequests.contains(request) else { return }
        guard orphanRequests.contains(request), let target = world.server.backend(withKey: request[8...]),
            target.socket.peerAddress == cancel.socket.peerAddress
        else { return cancelsToNobody.append(text(request)) }
        if target.client?.isLeftOut == true { cancelsToExcluded.append(target) }
        guard !hasRetried else { return }
        if let closed = target.closedAt, closed < cancel.dialledAt { cancelsAfterEnd.append(target) }
        if let idle = target.idleSince, idle < cancel.dialledAt, !target.hasIgnoredFailedCopySync {
            cancelsWhileIdle.append(target)
        }
    }

    /// A cancel has ended the wait of a commit for its standby.
    func noteCutShort(_ backend: FakeBackend) {
        if !isOfClient(backend) { commitsCutShort.append(backend) }
    }

    /// pgleash itself cancelled this backend.
    func isOfOrphan(_ backend: FakeBackend) -> Bool {
        orphanRequests.contains(Frontend.cancelRequest(backend.key))
    }

    /// A client's own cancel was meant for this backend.
    func isOfClient(_ backend: FakeBackend) -> Bool {
        clientRequests.contains(Frontend.cancelRequest(backend.key))
    }

    /// A client leaves after it was idle for long. Without faults all bytes have arrived.
    func checkQuiet(_ client: FakeClient, _ world: World) {
        guard let backend = world.backend(of: client), backend.isAtRest, backend.closedAt == nil,
            let socket = client.socket, socket.outboxCount == 0
        else { return }
        if client.received != backend.said { stuck.append("to client \(client.number)") }
        // A part of a Terminate waits for the rest, and a complete one where the record errs towards busy.
        let longest = Frontend.terminate.count - (backend.hasIgnoredFailedCopySync ? 0 : 1)
        let sent = client.script[..<client.position]
        let hasArrived = (0...longest).contains {
            sent == (backend.received + Frontend.terminate.prefix($0))[...]
        }
        if !hasArrived { stuck.append("from client \(client.number)") }
    }
}

/// Records the ends of sessions from the log.
struct FactsLog: LogHandler {
    let facts: Facts
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug
    var metadataProvider: Logger.MetadataProvider?

    init(facts: Facts) { self.facts = facts }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        if let trace = facts.trace {
            let words = (event.metadata ?? [:]).map { "\($0.key)=\($0.value)" }.sorted()
            trace("pgleash: \(event.message) \(words.joined(separator: " "))")
        }
        guard let client = Int(word("client", event)) else { return }
        if let reason = EndReason(rawValue: word("reason", event)), event.level == .debug {
            facts.reasons[client, default: []].append(reason)
        }
        if let outcome = Outcome(rawValue: word("outcome", event)) {
            if outcome.isConfirmed, facts.isRunning?(client) == true {
                facts.falseReports.append("client \(client), \(outcome.rawValue)")
            }
            facts.reaped.append(
                .init(
                    client: client,
                    outcome: outcome,
                    drop: word("drop", event),
                    milliseconds: Double(word("reap_ms", event)) ?? .infinity
                )
            )
        }
    }

    private func word(_ key: String, _ event: LogEvent) -> String {
        event.metadata?[key].map { "\($0)" } ?? ""
    }
}
