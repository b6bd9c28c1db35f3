// How soon a TCP connection notices that its peer's host is gone without a word: the kernel's options for it.

import CLibevent
import Glibc

/// TCP keepalive as PostgreSQL's `tcp_keepalives_*` and `tcp_user_timeout` set it; what is 0 stays as the system has
/// it.
package struct Keepalive: Equatable, Sendable {
    /// Silence after which a first probe is sent; whole seconds.
    package var idle: Duration
    /// Between probes; whole seconds.
    package var interval: Duration
    /// Probes without an answer that end the connection.
    package var count: Int32
    /// How long sent bytes may stay unacknowledged. Linux also ends a peer that is alive and reads nothing so long.
    package var userTimeout: Duration

    package init(idle: Duration, interval: Duration, count: Int32, userTimeout: Duration) {
        self.idle = idle
        self.interval = interval
        self.count = count
        self.userTimeout = userTimeout
    }

    /// As the system has it.
    package static let system = Keepalive(idle: .zero, interval: .zero, count: 0, userTimeout: .zero)

    /// From the last sign of life to the end of an idle connection; with tcp(7)'s defaults for what is 0.
    package var timeout: Duration {
        (idle == .zero ? .seconds(7200) : idle)
            + (interval == .zero ? .seconds(75) : interval) * (count == 0 ? 9 : Int(count))
    }

    /// Sets the options of a TCP socket to or from `address`; of a listening one, for all it accepts.
    ///
    /// A peer on the same machine has no host to lose, the kernel ends its connections with it. To probe it does harm:
    /// the probes of thousands of sessions that began together fall due together, and are more packets at once than
    /// the loopback device takes (net.core.netdev_max_backlog); sessions that live are then taken for lost.
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
        // With bytes under way there is no keepalive: the kernel repeats them instead, and asks a peer that takes none
        // whether it would, with pauses of up to 2 minutes. Since Linux 6.15 these can be made shorter; older ones
        // refuse, and notice later. The kernel gives up after a number of them, which must not be before our timeout.
        set(Self.longestRetransmissionPause, longestPause.wholeMilliseconds)
    }

    /// Between two attempts of the kernel, where it can be told: many within our timeout, and as many as it makes
    /// before it gives up (net.ipv4.tcp_retries2, 15) take longer than that.
    package var longestPause: Duration {
        let least = interval == .zero ? .seconds(1) : interval
        return min(max(least, timeout / 8, .seconds(1)), Attempts.longestPause)
    }

    /// The kernel ends a connection one interval after its last probe, and that one could be too early to find a
    /// network that is whole again at the end of the timeout. So it makes one more.
    package var kernelCount: Int32 { min(count + 1, Self.largestCount) }

    /// So many that the kernel doesn't end a connection within the timeout, whenever it began to probe; nil where that
    /// is more than it can count, or where the system has its own pauses.
    package var probesWithinTimeout: Int32? {
        guard idle > .zero, interval > .zero, count > 0 else { return nil }
        let probes = Int64(timeout / interval) + 2
        return probes <= Self.largestCount ? Int32(probes) : nil
    }

    /// TCP_RTO_MAX_MS of linux/tcp.h, which is newer than most systems' headers.
    static let longestRetransmissionPause: Int32 = 44
    /// MAX_TCP_KEEPCNT of Linux.
    private static let largestCount: Int32 = 127
}

extension Duration {
    var wholeMilliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
