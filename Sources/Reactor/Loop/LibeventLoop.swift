// A libevent event loop for one thread, without locks.

import CLibevent
import Glibc

/// The EventLoop of the program.
@safe package final class LibeventLoop: EventLoop {
    /// libevent's `event_base`.
    package let base: OpaquePointer
    package let receiveBuffer: ReceiveBuffer
    /// The kernel's information about the peers of the loop's sockets.
    let diagnosis = SocketDiagnosis()
    private let keepalive: Keepalive

    /// - Parameters:
    ///   - receiveBufferSize: the number of bytes of one receive, which limits the work of one wake-up.
    ///   - keepalive: the keepalive settings of connections that the loop makes.
    package init(receiveBufferSize: Int, keepalive: Keepalive = .system) {
        let configuration = unsafe event_config_new()
        // The base is used on one thread. Other threads use a Wakeup.
        unsafe event_config_set_flag(configuration, Int32(EVENT_BASE_FLAG_NOLOCK.rawValue))
        // With EVENT_EPOLL_USE_CHANGELIST in the environment an edge-triggered watch would remain so, and sockets would
        // not be read.
        unsafe event_config_set_flag(configuration, Int32(EVENT_BASE_FLAG_IGNORE_ENV.rawValue))
        // Otherwise the clock is read after each wait. Few events need the time, and those read it themselves.
        unsafe event_config_set_flag(configuration, Int32(EVENT_BASE_FLAG_NO_CACHE_TIME.rawValue))
        let newBase = unsafe event_base_new_with_config(configuration)
        unsafe event_config_free(configuration)
        guard let newBase = unsafe newBase else { preconditionFailure("libevent offers no way to wait for sockets") }
        unsafe base = newBase
        receiveBuffer = ReceiveBuffer(size: receiveBufferSize)
        self.keepalive = keepalive
    }

    deinit {
        unsafe event_base_free(base)
    }

    /// The kernel interface that libevent chose, such as `epoll`.
    package var method: String { unsafe String(cString: event_base_get_method(base)) }

    package static var libeventVersion: String { unsafe String(cString: event_get_version()) }

    package var now: MonotonicTime { .now }

    /// Waits for events and calls their handlers until `stop`.
    package func run() {
        unsafe event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY)
    }

    /// Makes `run` return after the current callback. Called on the loop's thread.
    package func stop() {
        unsafe event_base_loopbreak(base)
    }

    package func adopt(_ accepted: AcceptedSocket) -> any StreamSocket {
        KernelSocket(loop: self, descriptor: accepted.descriptor)
    }

    package func connect(to address: SocketAddress) throws(SystemError) -> any StreamSocket {
        let descriptor = try makeStreamSocket(for: address, keepalive: keepalive)
        let result = unsafe address.withSystemAddress { unsafe Glibc.connect(descriptor, $0, $1) }
        let error = SystemError.last
        guard result == 0 || error.code == EINPROGRESS || error.code == EINTR else {
            closeDescriptor(descriptor)
            throw error
        }
        return KernelSocket(loop: self, descriptor: descriptor)
    }

    package func schedule(after delay: Duration, _ body: @escaping () -> Void) -> any ScheduledTimer {
        LibeventTimer(loop: self, delay: delay, body)
    }

    package func makeTicker(_ body: @escaping () -> Void) throws(SystemError) -> any Ticker {
        try TimerfdTicker(loop: self, body)
    }

    package func makeWakeup(_ body: @escaping () -> Void) throws(SystemError) -> any Wakeup {
        try EventfdWakeup(loop: self, body)
    }

    /// Calls `body` on the loop's thread after each `signal`, for as long as the result is kept.
    package func watch(signal: Signal, _ body: @escaping () -> Void) -> SignalWatch {
        SignalWatch(loop: self, signal: signal, body)
    }
}
