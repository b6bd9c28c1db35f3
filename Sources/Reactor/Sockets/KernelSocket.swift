// A TCP or Unix socket of the operating system on a libevent loop.

import CLibevent
import Glibc

/// The StreamSocket of LibeventLoop: one descriptor and one event.
@safe package final class KernelSocket: EventSource, StreamSocket {
    /// Private to this module, as each access to a visible property is checked for overlaps.
    private var openDescriptor: Int32
    private var watchedFor: Interest = []
    /// On the same machine no host can be lost without the kernel's knowledge.
    private(set) lazy var hasLocalPeer = peerAddress?.isLoopback ?? true
    private unowned(unsafe) var unretainedOwner: (any SocketOwner)?

    /// Takes over `descriptor`, which must be non-blocking.
    init(loop: LibeventLoop, descriptor: Int32) {
        openDescriptor = descriptor
        unsafe unretainedOwner = nil
        super.init(loop: loop, descriptor: descriptor, events: 0)
    }

    deinit {
        close()
    }

    package var owner: (any SocketOwner)? {
        get { unsafe unretainedOwner }
        set { unsafe unretainedOwner = newValue }
    }

    package var interest: Interest {
        get { watchedFor }
        set {
            guard newValue != watchedFor else { return }
            watchedFor = newValue
            if openDescriptor >= 0 { change(descriptor: openDescriptor, events: newValue.events) }
        }
    }

    override func fire(_ events: Int16) {
        var readiness = Readiness(rawValue: 0)
        if events & Int16(EV_WRITE) != 0 { readiness.insert(.writable) }
        if watchedFor.contains(.read) {
            if events & Int16(EV_READ) != 0 { readiness.insert(.readable) }
        } else if watchedFor.contains(.close), events & Int16(EV_CLOSED) != 0 || hasFailed {
            readiness.insert(.closed)
        }
        guard !readiness.isEmpty else { return }
        // The owner may be released during this call.
        let owner = owner
        withExtendedLifetime(owner) { owner?.socket(self, became: readiness) }
    }

    /// Whether the connection is broken. The error is not taken, so that `takeError` returns it.
    private var hasFailed: Bool {
        var query = pollfd(fd: openDescriptor, events: 0, revents: 0)
        unsafe poll(&query, 1, 0)
        return query.revents & Int16(POLLERR | POLLHUP) != 0
    }

    package var descriptor: Int32 { openDescriptor }

    package var peerAddress: SocketAddress? {
        unsafe SocketAddress { unsafe getpeername(openDescriptor, $0, $1) }
    }

    package var localAddress: SocketAddress? { SocketAddress(localOf: openDescriptor) }

    package func takeError() -> SystemError? {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe getsockopt(openDescriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else { return .last }
        return code == 0 ? nil : SystemError(code)
    }

    package func peek() -> UInt8? {
        var byte: UInt8 = 0
        return unsafe recv(openDescriptor, &byte, 1, Int32(MSG_PEEK)) == 1 ? byte : nil
    }

    package func receive(into buffer: ReceiveBuffer, limit: Int) -> Received {
        while true {
            let count = buffer.fill { bytes in
                unsafe bytes.withUnsafeMutableBufferPointer { bytes in
                    unsafe recv_nocancel(openDescriptor, bytes.baseAddress, min(limit, bytes.count), 0)
                }
            }
            if count > 0 { return .bytes(count) }
            if count == 0 { return .endOfStream }
            let error = SystemError.last
            if error.isTryAgain { return .wouldBlock }
            if error.code != EINTR { return .failed(error) }
        }
    }

    package func send(_ bytes: Span<UInt8>) -> Sent {
        while true {
            let count = unsafe bytes.withUnsafeBufferPointer { bytes in
                unsafe send_nocancel(openDescriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 { return .bytes(count) }
            let error = SystemError.last
            if error.isTryAgain { return .bytes(0) }
            if error.code != EINTR { return .failed(error) }
        }
    }

    package func shutdownSending() {
        _ = shutdown(openDescriptor, Int32(SHUT_WR))
    }

    package func close() {
        guard openDescriptor >= 0 else { return }
        // The event is freed first: the number of a closed descriptor is soon that of another one.
        freeEvent()
        _ = Glibc.close(openDescriptor)
        openDescriptor = -1
    }
}

extension Interest {
    /// libevent's flags.
    ///
    /// A watch for the end alone requests edge-triggered reads, too: libevent reports a reset as a read, never as
    /// EV_CLOSED, so a level-triggered watch for EV_CLOSED would neither report it nor stop waking up.
    var events: Int16 {
        var events = Int16(EV_PERSIST)
        if contains(.read) { events |= Int16(EV_READ) }
        if contains(.write) { events |= Int16(EV_WRITE) }
        if contains(.close), !contains(.read) { events |= Int16(EV_READ) | Int16(EV_CLOSED) | Int16(EV_ET) }
        return events
    }
}
