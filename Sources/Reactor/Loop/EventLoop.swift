// The interface of an event loop. LibeventLoop implements it; a simulation has its own implementation.

/// Waits for sockets, timers and wake-ups, and calls their owners, one after the other, on one thread.
package protocol EventLoop: AnyObject {
    var now: MonotonicTime { get }

    /// The buffer for receives of the loop's sockets.
    var receiveBuffer: ReceiveBuffer { get }

    /// Takes over an accepted socket. It has no owner and no interest yet.
    func adopt(_ accepted: AcceptedSocket) -> any StreamSocket

    /// Begins to connect. The socket has no owner and no interest yet; once it is writable, `takeError` returns the
    /// result.
    func connect(to address: SocketAddress) throws(SystemError) -> any StreamSocket

    /// Calls `body` once after `delay`, unless the timer is cancelled or released before.
    func schedule(after delay: Duration, _ body: @escaping () -> Void) -> any ScheduledTimer

    /// Makes a ticker that calls `body` regularly after its `start`.
    func makeTicker(_ body: @escaping () -> Void) throws(SystemError) -> any Ticker

    /// Calls `body` on the loop's thread after each `wake`; several wakes in a row can become one call.
    func makeWakeup(_ body: @escaping () -> Void) throws(SystemError) -> any Wakeup
}

/// A call in the future. Releasing the object cancels it.
package protocol ScheduledTimer: AnyObject {
    func cancel()
}

/// A regular call. Unlike a pending timer it does not make the loop's waits more expensive: for a wait with an end the
/// kernel arms and disarms a clock. Releasing the object stops the calls.
package protocol Ticker: AnyObject {
    /// Calls every `interval` from now on; does nothing if it is running.
    func start(every interval: Duration)
    func stop()
}

/// The only access to a loop from another thread.
package protocol Wakeup: AnyObject, Sendable {
    func wake()
}

/// A client that a listener has accepted, before a loop adopts it.
package struct AcceptedSocket: Sendable {
    /// The descriptor. The owner of this value must close it or hand it on.
    package let descriptor: Int32
    package let peer: SocketAddress

    package init(descriptor: Int32, peer: SocketAddress) {
        self.descriptor = descriptor
        self.peer = peer
    }
}
