// What the rest of the program may ask of an event loop. LibeventLoop is the real one; a simulation brings its own.

/// Waits for sockets, timers and wake-ups, and calls whom they concern, one after the other, on one thread.
package protocol EventLoop: AnyObject {
    var now: MonotonicTime { get }

    /// Where the loop's sockets receive.
    var receiveBuffer: ReceiveBuffer { get }

    /// Takes over an accepted socket. It has no owner and no interest yet.
    func adopt(_ accepted: AcceptedSocket) -> any StreamSocket

    /// Begins to connect. The socket has no owner and no interest yet; once writable, `takeError` tells how it went.
    func connect(to address: SocketAddress) throws(SystemError) -> any StreamSocket

    /// Calls `body` once after `delay`, unless the timer is cancelled or released before.
    func schedule(after delay: Duration, _ body: @escaping () -> Void) -> any ScheduledTimer

    /// Makes what calls `body` again and again, from its `start` on.
    func makeTicker(_ body: @escaping () -> Void) throws(SystemError) -> any Ticker

    /// Calls `body` on the loop's thread after each `wake`; several in a row may become one call.
    func makeWakeup(_ body: @escaping () -> Void) throws(SystemError) -> any Wakeup
}

/// A call to come. Releasing it cancels it.
package protocol ScheduledTimer: AnyObject {
    func cancel()
}

/// Calls at a regular pace. Unlike a timer that is pending it makes the loop's waits no dearer: for a wait that has an
/// end the kernel arms a clock and disarms it again. Releasing it stops it.
package protocol Ticker: AnyObject {
    /// Calls every `interval` from now on; does nothing while it runs.
    func start(every interval: Duration)
    func stop()
}

/// The one way into a loop from another thread.
package protocol Wakeup: AnyObject, Sendable {
    func wake()
}

/// A client that a listener accepted, on its way to the loop that will serve it.
package struct AcceptedSocket: Sendable {
    /// The descriptor; whoever holds this value is bound to close it or to hand it on.
    package let descriptor: Int32
    package let peer: SocketAddress

    package init(descriptor: Int32, peer: SocketAddress) {
        self.descriptor = descriptor
        self.peer = peer
    }
}
