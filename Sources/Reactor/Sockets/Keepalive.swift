// The kernel's options for the time in which a TCP connection notices that its peer's host is gone.

import CLibevent
import Glibc

/// TCP keepalive, as PostgreSQL's `tcp_keepalives_*` and `tcp_user_timeout` set it; 0 selects the system's value.
package struct Keepalive: Equatable, Sendable {
    /// The silence after which the first probe is sent, in whole seconds.
    package var idle: Duration
    /// The time between probes, in whole seconds.
    package var interval: Duration
    /// The number of probes without a response that end the connection.
    package var count: Int32
    /// The time that sent data may stay unacknowledged. Linux also ends the connection to a peer that is alive and
    /// reads nothing for so long.
    package var userTimeout: Duration

    package init(idle: Duration, interval: Duration, count: Int32, userTimeout: Duration) {
        self.idle = idle
        self.interval = interval
        self.count = count
        self.userTimeout = userTimeout
    }

    /// The system's values.
    package static let system = Keepalive(idle: .zero, interval: .zero, count: 0, userTimeout: .zero)

    /// The time from the last packet to the end of an idle connection; with tcp(7)'s defaults for 0.
    package var timeout: Duration {
        (idle == .zero ? .seconds(7200) : idle)
            + (interval == .zero ? .seconds(75) : interval) * (count == 0 ? 9 : Int(count))
    }

    /// Sets the options of a TCP socket to or from `address`; those of a listening one apply to all accepted sockets.
    ///
    /// A peer on the same machine is not probed: its host cannot be lost, as the kernel ends its connections with it.
    /// Probes would do harm: those of thousands of sessions that began together are due together, and are more packets
    /// at once than the loopback device accepts (net.core.netdev_max_backlog); sessions that are alive would be taken
    /// for lost.
    func apply(to descriptor: Int32, _ address: SocketAddress) {
        func set(_ name: Int32, _ value: Int64) {
            if value > 0 { setOption(descriptor, Int32(IPPROTO_TCP), name, Int32(clamping: value)) }
        }
        set(TCP_USER_TIMEOUT, userTimeout.wholeMilliseconds)
        if address.isLoopback { return }
        setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        set(TCP_KEEPIDLE, idle.components.seconds)
        set(TCP_KEEPINTVL, interval.components.seconds)
        if count > 0 { set(TCP_KEEPCNT, Int64(kernelCount)) }
        // While data is unacknowledged there is no keepalive: the kernel retransmits it, and probes a peer that reads
        // nothing, with pauses of up to 2 minutes. Since Linux 6.15 these can be made shorter; older kernels refuse
        // this, and notice later. The kernel gives up after a number of attempts, which must not be before the timeout.
        set(Self.longestRetransmissionPause, longestPause.wholeMilliseconds)
    }

    /// The pause between two attempts of the kernel, where it can be set: so short that there are many within the
    /// timeout, and so long that the number after which the kernel gives up (net.ipv4.tcp_retries2, 15) takes longer
    /// than that.
    package var longestPause: Duration {
        let least = interval == .zero ? .seconds(1) : interval
        return min(max(least, timeout / 8, .seconds(1)), Attempts.longestPause)
    }

    /// The kernel ends a connection one interval after its last probe, which could be too early to notice a network
    /// that works again at the end of the timeout. So it makes one more.
    package var kernelCount: Int32 { min(count + 1, Self.largestCount) }

    /// The number of probes with which the kernel does not end a connection within the timeout, whenever it began to
    /// probe; nil where that is more than the kernel allows, or where the system's values apply.
    package var probesWithinTimeout: Int32? {
        guard idle > .zero, interval > .zero, count > 0 else { return nil }
        let probes = Int64(timeout / interval) + 2
        return probes <= Self.largestCount ? Int32(probes) : nil
    }

    /// TCP_RTO_MAX_MS of linux/tcp.h, which is newer than the headers of most systems.
    static let longestRetransmissionPause: Int32 = 44
    /// MAX_TCP_KEEPCNT of Linux.
    private static let largestCount: Int32 = 127
}

extension Duration {
    var wholeMilliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
