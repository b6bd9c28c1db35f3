// The bounds on the connections of the HTTP server: their number and their age. A connection above the number ends the
// oldest one, so that connections that do nothing never keep a probe out.

import CEvhttp
import Glibc
import Reactor

/// The bounds on what clients can make the server use.
package struct HTTPLimits: Sendable {
    /// The number of connections that are served; enough for some scrapers, probes and browsers. There can be twice as
    /// many descriptors, those of connections that are being ended included.
    package var connections = 64
    /// The maximum time from the beginning or a request to the next request, or to the end of its answer.
    package var age = Duration.seconds(20)
    /// The time in which a client sends or receives nothing before its connection ends, in seconds.
    package var timeout: Int32 = 10
    /// The largest request line and header, in bytes.
    package var header = 8 * 1024
    /// The largest body, in bytes. Only methods that are refused have one.
    package var body = 1024

    package init() {}
}

/// The open connections.
///
/// libevent does not report that a connection has ended. Each one is therefore kept by a reference to its bufferevent,
/// which libevent leaves without an event callback at the end. The descriptor is closed with the last reference.
@safe final class HTTPConnections {
    @safe private struct Connection {
        let bufferevent: OpaquePointer
        /// The time of its beginning or of its last request.
        var since: MonotonicTime
        var isShut = false
    }

    /// The pause in accepting where no descriptor is left.
    private static let pause = Duration.milliseconds(50)
    /// The most bytes of one connection that wait to be parsed.
    private static let mostUnparsed = 16 * 1024

    private let loop: LibeventLoop
    private let limits: HTTPLimits
    private var connections: [Connection] = []
    private var listeners: [OpaquePointer] = unsafe []
    private var ticker: (any Ticker)?
    private var timer: (any ScheduledTimer)?

    init(loop: LibeventLoop, _ limits: HTTPLimits) throws(SystemError) {
        (self.loop, self.limits) = (loop, limits)
        ticker = try loop.makeTicker { [unowned self] in endOld() }
    }

    deinit {
        for connection in connections { _ = unsafe bufferevent_decref(connection.bufferevent) }
    }

    /// Adds a listener whose connections are counted. It exists as long as this object is used.
    func add(_ listener: OpaquePointer?) {
        guard let listener = unsafe listener else { return }
        unsafe listeners.append(listener)
        unsafe evconnlistener_set_error_cb(listener, Self.acceptFailed)
    }

    /// The bufferevent of a new connection.
    func make(_ base: OpaquePointer?) -> OpaquePointer? {
        forgetEnded()
        let serving = connections.count { !$0.isShut }
        if serving >= limits.connections { shutOldest() }
        if connections.count + 1 >= 2 * limits.connections { pause() }
        guard let made = unsafe bufferevent_socket_new(base, -1, Int32(BEV_OPT_CLOSE_ON_FREE.rawValue)) else {
            return nil
        }
        unsafe bufferevent_setwatermark(made, Int16(EV_READ), 0, Self.mostUnparsed)
        unsafe bufferevent_incref(made)
        unsafe connections.append(Connection(bufferevent: made, since: loop.now))
        ticker?.start(every: .seconds(1))
        return unsafe made
    }

    /// The connection has sent a request.
    func noteRequest(on bufferevent: OpaquePointer?) {
        guard let index = connections.firstIndex(where: { unsafe $0.bufferevent == bufferevent }) else { return }
        connections[index].since = loop.now
    }

    private func shutOldest() {
        let candidates = connections.indices.filter { !connections[$0].isShut }
        guard let oldest = candidates.min(by: { connections[$0].since < connections[$1].since }) else { return }
        shut(oldest)
    }

    /// libevent sees the end of the stream, and frees the connection.
    private func shut(_ index: Int) {
        connections[index].isShut = true
        unsafe shutdown(bufferevent_getfd(connections[index].bufferevent), Int32(SHUT_RDWR))
    }

    private func endOld() {
        forgetEnded()
        let limit = loop.now.earlier(by: limits.age)
        for index in connections.indices where connections[index].since < limit { shut(index) }
        if connections.isEmpty { ticker?.stop() }
    }

    private func forgetEnded() {
        connections.removeAll { connection in
            var callback: bufferevent_event_cb?
            unsafe bufferevent_getcb(connection.bufferevent, nil, nil, &callback, nil)
            guard unsafe callback == nil else { return false }
            _ = unsafe bufferevent_decref(connection.bufferevent)
            return true
        }
    }

    /// Leaves new connections in the kernel's queue until libevent has seen the ends of others.
    private func pause() {
        for index in unsafe listeners.indices { unsafe evconnlistener_disable(listeners[index]) }
        timer = loop.schedule(after: .zero) { [unowned self] in
            forgetEnded()
            for index in unsafe listeners.indices { unsafe evconnlistener_enable(listeners[index]) }
        }
    }

    /// Otherwise libevent would try again without a pause.
    private static let acceptFailed: evconnlistener_errorcb = { listener, _ in
        var pause = timeval(tv_sec: 0, tv_usec: Int(pause / .microseconds(1)))
        unsafe evconnlistener_disable(listener)
        // The program has its listeners until its end.
        let resume: event_callback_fn = { _, _, listener in
            guard let listener = unsafe listener else { return }
            unsafe evconnlistener_enable(OpaquePointer(listener))
        }
        unsafe event_base_once(
            evconnlistener_get_base(listener), -1, Int16(EV_TIMEOUT), resume,
            listener.map { unsafe UnsafeMutableRawPointer($0) }, &pause
        )
    }
}
