// A relay between pgleash and the server that counts cancels on their way, keeps the first bytes of each connection,
// and refuses or holds new connections. It is for small messages: it reads whenever there are bytes, and writes until
// they are taken.

import Foundation
import Synchronization
import TestSupport

/// A listening socket with a thread that relays its connections. Both end when the object is released.
final class PassThrough {
    /// The handling of new connections. Established ones continue.
    enum Mode { case open, refusing, hanging }

    let port: UInt16
    private let shared: Shared

    /// The state that the test's thread and the other one share.
    final class Shared: Sendable {
        struct State {
            var mode = Mode.open
            /// The listener has the current mode.
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

    /// The first bytes of a connection's client.
    struct Opening: Sendable {
        static let limit = 4096

        var bytes: [UInt8] = []
        /// The relay answered the SSLRequest.
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

    /// CancelRequests in clear text that arrived, also those that were held and given up.
    var cancels: Int { shared.state.withLock { $0.cancels } }

    /// Those that arrived and that neither side has closed yet.
    var cancelsOpen: Int { shared.state.withLock { $0.cancelsOpen } }

    /// The largest number of them at the same time.
    var mostCancelsOpen: Int { shared.state.withLock { $0.mostCancelsOpen } }

    /// The openings of all connections with at least one byte, in their order.
    var openings: [Opening] { shared.state.withLock { $0.openings } }

    /// From now on a new connection's SSLRequest is answered with `N`, whatever the server supports.
    func refuseEncryption() { shared.state.withLock { $0.refusesEncryption = true } }

    /// From now on the connection of a CancelRequest stays open after the server has closed it, until pgleash closes
    /// it.
    func keepCancels() { shared.state.withLock { $0.keepsCancels = true } }

    /// From now on the first CancelRequest with each key is lost: its connection is closed, and the server gets
    /// nothing.
    func loseFirstCancels() { shared.state.withLock { $0.losesFirstCancels = true } }

    /// Resets the clients' connections, except cancels, and keeps those to the server, as a balancer does that loses a
    /// connection.
    func cutOff() throws {
        let shared = shared
        shared.state.withLock { $0.isToCut = true }
        try wait(for: "the cut of the pass-through") { shared.state.withLock { !$0.isToCut } }
    }

    /// Returns when the mode applies to new connections.
    func setMode(_ mode: Mode) throws {
        shared.state.withLock { ($0.mode, $0.isModeSet) = (mode, false) }
        let shared = shared
        try wait(for: "the mode of the pass-through") { shared.state.withLock { $0.isModeSet } }
    }
}
