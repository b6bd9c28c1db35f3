// The thread of a pass-through: its sockets, and the handling of their events.

import Foundation
import TestSupport

/// Two sockets, and their state. The server's is -1 until the first packet has arrived and the mode is open.
private struct Link {
    var client: Int32
    var server: Int32 = -1
    var firstPacket: [UInt8] = []
    var isCancel = false
    /// The index of its opening, once a byte has arrived.
    var opening: Int?
}

/// All functions run on one thread.
struct PassThroughLoop {
    private let port: UInt16
    private let host: UInt32
    private let serverPort: UInt16
    private let shared: PassThrough.Shared
    private var links: [Link] = []
    /// The listener; then for each link its client and its server. poll(2) ignores -1.
    private var polled = [pollfd(fd: -1, events: Int16(POLLIN), revents: 0)]
    /// Sockets to the server without a client.
    private var keptServers: [Int32] = []
    private var mode = PassThrough.Mode.refusing
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    init(_ port: UInt16, host: UInt32, _ serverPort: UInt16, _ shared: PassThrough.Shared) {
        (self.port, self.host, self.serverPort, self.shared) = (port, host, serverPort, shared)
    }

    mutating func run() {
        while !shared.state.withLock({ $0.isStopping }) {
            applyMode()
            if shared.state.withLock({ $0.isToCut }) { cutOff() }
            guard unsafe poll(&polled, nfds_t(polled.count), 2) > 0 else { continue }
            for number in links.indices {
                if polled[1 + 2 * number].revents != 0 { passFromClient(number) }
                if polled[2 + 2 * number].revents != 0 { passFromServer(number) }
            }
            if polled[0].revents != 0 { accept() }
            removeClosed()
        }
        for number in links.indices { end(number) }
        for server in keptServers { close(server) }
        if polled[0].fd >= 0 { close(polled[0].fd) }
    }

    // MARK: New connections

    private mutating func applyMode() {
        let (wanted, isSet) = shared.state.withLock { ($0.mode, $0.isModeSet) }
        guard !isSet else { return }
        mode = wanted
        if mode == .refusing, polled[0].fd >= 0 {
            close(polled[0].fd)
            polled[0].fd = -1
        } else if mode != .refusing, polled[0].fd < 0 {
            polled[0].fd = openListener()
        }
        if mode == .open {
            for number in links.indices where links[number].client >= 0 && !links[number].firstPacket.isEmpty {
                dial(number)
            }
        }
        shared.state.withLock { $0.isModeSet = $0.mode == wanted && (wanted == .refusing || polled[0].fd >= 0) }
    }

    private func openListener() -> Int32 {
        let listener = newSocket()
        var one: Int32 = 1
        unsafe setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        let isBound = unsafe withLoopback(port, host: host) { unsafe bind(listener, $0, $1) } == 0
        if isBound, listen(listener, 1024) == 0 { return listener }
        close(listener)
        return -1
    }

    private func newSocket() -> Int32 {
        socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    }

    private mutating func accept() {
        let client = Foundation.accept(polled[0].fd, nil, nil)
        guard client >= 0 else { return }
        _ = fcntl(client, F_SETFD, FD_CLOEXEC)
        noDelay(client)
        links.append(Link(client: client))
        polled.append(pollfd(fd: client, events: Int16(POLLIN), revents: 0))
        polled.append(pollfd(fd: -1, events: Int16(POLLIN), revents: 0))
    }

    private func noDelay(_ descriptor: Int32) {
        var one: Int32 = 1
        unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    private mutating func dial(_ number: Int) {
        let server = newSocket()
        noDelay(server)
        guard unsafe withLoopback(serverPort, { unsafe connect(server, $0, $1) }) == 0 else {
            close(server)
            return end(number)
        }
        links[number].server = server
        polled[2 + 2 * number].fd = server
        write(links[number].firstPacket[...], to: server)
        links[number].firstPacket = []
    }

    private mutating func cutOff() {
        for number in links.indices where links[number].server >= 0 && !links[number].isCancel {
            keptServers.append(links[number].server)
            links[number].server = -1
            var atOnce = linger(l_onoff: 1, l_linger: 0)
            let size = socklen_t(MemoryLayout<linger>.size)
            unsafe setsockopt(links[number].client, SOL_SOCKET, SO_LINGER, &atOnce, size)
            end(number)
        }
        shared.state.withLock { $0.isToCut = false }
    }

    // MARK: Bytes

    private mutating func passFromClient(_ number: Int) {
        let link = links[number]
        guard link.client >= 0 else { return }
        let count = unsafe recv(link.client, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        if count < 0 && errno == EAGAIN { return }
        if count <= 0 { return clientEnded(number, isReset: count < 0) }
        let isRefused = keep(number, buffer[..<count])
        if link.server >= 0 { return write(buffer[..<count], to: link.server) }
        if isRefused { return write([UInt8(ascii: "N")][...], to: link.client) }
        if link.firstPacket.isEmpty { classify(number, buffer[..<count]) }
        if links[number].isCancel, isLost(buffer[..<count]) { return end(number) }
        links[number].firstPacket += buffer[..<count]
        if mode == .open { dial(number) }
    }

    /// One half of the stream can end, as in a session; a cancel does not use the other half.
    private mutating func clientEnded(_ number: Int, isReset: Bool) {
        let link = links[number]
        guard link.server >= 0, !link.isCancel, !isReset else { return end(number) }
        shutdown(link.server, Int32(SHUT_WR))
        polled[1 + 2 * number].fd = -1
    }

    private mutating func passFromServer(_ number: Int) {
        let link = links[number]
        guard link.server >= 0 else { return }
        let count = unsafe recv(link.server, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        if count < 0 && errno == EAGAIN { return }
        if count <= 0 { return serverEnded(number) }
        write(buffer[..<count], to: link.client)
    }

    private mutating func serverEnded(_ number: Int) {
        guard links[number].isCancel, shared.state.withLock({ $0.keepsCancels }) else { return end(number) }
        close(links[number].server)
        links[number].server = -1
        polled[2 + 2 * number].fd = -1
    }

    private func write(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) {
        var rest = bytes
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            // An error is noticed by the next event of this socket.
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    // MARK: Counting

    /// Adds to the first bytes of the connection.
    ///
    /// - Returns: whether these bytes are an SSLRequest to be refused.
    private mutating func keep(_ number: Int, _ bytes: ArraySlice<UInt8>) -> Bool {
        shared.state.withLock { state in
            let opening = links[number].opening ?? state.openings.count
            if links[number].opening == nil { state.openings.append(PassThrough.Opening()) }
            links[number].opening = opening
            let room = PassThrough.Opening.limit - state.openings[opening].bytes.count
            state.openings[opening].bytes += bytes.prefix(max(room, 0))
            let isRefused = state.refusesEncryption && bytes.elementsEqual(Frontend.sslRequest)
            if isRefused { state.openings[opening].isRefusedEncryption = true }
            return isRefused
        }
    }

    /// Checks whether the first packet is a CancelRequest.
    private mutating func classify(_ number: Int, _ packet: ArraySlice<UInt8>) {
        guard packet.dropFirst(4).starts(with: Frontend.cancelRequest([]).dropFirst(4)) else { return }
        // A client that has closed one connection to begin this one closed it before, and has one fewer under way.
        for other in links.indices where links[other].isCancel && isAtEnd(links[other].client) { end(other) }
        links[number].isCancel = true
        shared.state.withLock {
            $0.cancels += 1
            $0.cancelsOpen += 1
            $0.mostCancelsOpen = max($0.mostCancelsOpen, $0.cancelsOpen)
        }
    }

    /// - Parameter cancel: a CancelRequest.
    private func isLost(_ cancel: ArraySlice<UInt8>) -> Bool {
        shared.state.withLock { $0.losesFirstCancels && $0.keysLost.insert(Array(cancel)).inserted }
    }

    private func isAtEnd(_ descriptor: Int32) -> Bool {
        var byte: UInt8 = 0
        let count = unsafe recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
        return count == 0 || (count < 0 && errno != EAGAIN)
    }

    /// Closes both sides. A cancel stops counting before the other side can notice.
    private mutating func end(_ number: Int) {
        let link = links[number]
        guard link.client >= 0 else { return }
        if link.isCancel { shared.state.withLock { $0.cancelsOpen -= 1 } }
        if link.server >= 0 { close(link.server) }
        close(link.client)
        links[number] = Link(client: -1)
        polled[1 + 2 * number].fd = -1
        polled[2 + 2 * number].fd = -1
    }

    private mutating func removeClosed() {
        guard links.count > 64, links.count(where: { $0.client < 0 }) > links.count / 2 else { return }
        let kept = links.indices.filter { links[$0].client >= 0 }
        polled = [polled[0]] + kept.flatMap { [polled[1 + 2 * $0], polled[2 + 2 * $0]] }
        links = kept.map { links[$0] }
    }
}
