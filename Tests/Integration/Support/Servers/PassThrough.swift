// What stands between pgleash and the server to count cancels on their way, to keep what each connection begins with,
// and to refuse or hold new connections. For messages that are small: it reads whenever there is something, and writes
// until it is taken.

import Foundation
import Synchronization
import TestSupport

/// A listening socket with a thread that passes on what comes. Both end when the object goes.
final class PassThrough {
    /// What happens to new connections. Those that passed before go on.
    enum Mode { case open, refusing, hanging }

    let port: UInt16
    private let shared: Shared

    /// What the test's thread and the other one share.
    final class Shared: Sendable {
        struct State {
            var mode = Mode.open
            /// The listener is as the mode wants it.
            var isModeSet = false
            var isStopping = false
            var cancels = 0
            var cancelsOpen = 0
            var mostCancelsOpen = 0
            var refusesEncryption = false
            var keepsCancels = false
            var isToCut = false
            var losesFirstCancels = false
            var keysLost: Set<[UInt8]> = []
            var openings: [Opening] = []
        }

        let state = Mutex(State())
    }

    /// - Parameters:
    ///   - server: the port of 127.0.0.1 that it passes on to.
    ///   - isBeside: listens on the same port of 127.0.0.2; otherwise on any port of 127.0.0.1.
    init(to server: UInt16, isBeside: Bool = false) throws {
        let shared = Shared()
        self.shared = shared
        let port = isBeside ? server : try freePort()
        self.port = port
        Thread.detachNewThread {
            var loop = PassThroughLoop(port, host: isBeside ? 0x7f00_0002 : 0x7f00_0001, server, shared)
            loop.run()
        }
        try setMode(.open)
    }

    deinit {
        shared.state.withLock { $0.isStopping = true }
    }

    var address: String { "127.0.0.1:\(port)" }

    /// What the client of a connection has sent, as far as it is kept.
    struct Opening: Sendable {
        static let limit = 4096

        var bytes: [UInt8] = []
        /// Somebody answered the SSLRequest on the way.
        var isRefusedEncryption = false

        /// An SSLRequest, then TLS: a record of type handshake, of any version of TLS.
        var isEncrypted: Bool {
            bytes.starts(with: Frontend.sslRequest) && bytes.dropFirst(8).starts(with: [0x16, 0x03])
        }

        func contains(_ part: [UInt8]) -> Bool {
            !part.isEmpty && bytes.count >= part.count
                && (0...bytes.count - part.count).contains { bytes[$0...].starts(with: part) }
        }
    }

    /// CancelRequests in clear text that came, also those that were held and given up.
    var cancels: Int { shared.state.withLock { $0.cancels } }

    /// Those that came, and neither side has closed yet.
    var cancelsOpen: Int { shared.state.withLock { $0.cancelsOpen } }

    /// The most there ever were of them.
    var mostCancelsOpen: Int { shared.state.withLock { $0.mostCancelsOpen } }

    /// Of all connections that came and on which something was said, in their order.
    var openings: [Opening] { shared.state.withLock { $0.openings } }

    /// From now on a new connection's SSLRequest gets an `N`, whatever the server can.
    func refuseEncryption() { shared.state.withLock { $0.refusesEncryption = true } }

    /// From now on the connection of a CancelRequest stays open when the server has closed it, until pgleash closes it.
    func keepCancels() { shared.state.withLock { $0.keepsCancels = true } }

    /// From now on the first CancelRequest with each key is lost: its connection is closed, and the server hears
    /// nothing.
    func loseFirstCancels() { shared.state.withLock { $0.losesFirstCancels = true } }

    /// Resets the connections that came, but for cancels, and keeps those to the server, as a balancer does that
    /// forgets a connection.
    func cutOff() throws {
        let shared = shared
        shared.state.withLock { $0.isToCut = true }
        try wait(for: "the cut of the pass-through") { shared.state.withLock { !$0.isToCut } }
    }

    /// Returns when new connections find it so.
    func setMode(_ mode: Mode) throws {
        shared.state.withLock { ($0.mode, $0.isModeSet) = (mode, false) }
        let shared = shared
        try wait(for: "the mode of the pass-through") { shared.state.withLock { $0.isModeSet } }
    }
}
