// The kernel's attempts to reach the host of a TCP peer: the number without a response, and the time of the next.

import CLibevent
import Glibc

/// The kernel's state of the attempts to reach a peer at one time.
package struct Attempts: Equatable, Sendable {
    /// The packet that the kernel would send next without a response.
    package enum Kind: Sendable {
        /// A keepalive probe: no data is unacknowledged.
        case keepalive
        /// A retransmission.
        case retransmission
        /// A window probe: data waits, and the peer's window is closed.
        case windowProbe
        /// A retransmission to a peer that has closed its window again. The kernel ends such a connection when it has
        /// received nothing for twice its longest pause (tcp_rtx_probe0_timed_out).
        case retransmissionIntoClosedWindow
    }

    package var kind: Kind
    /// The number of attempts without a response.
    package var count: Int
    /// The time since the last received packet.
    package var silence: Duration
    /// The time since data was last sent, for the first time or again. Probes contain no data.
    package var sinceSent: Duration
    /// The time from the last attempt to the next, if no option shortens it; without meaning for keepalive.
    package var pause: Duration
    /// Nothing is lost, delayed or retransmitted, so the kernel's count of the time without progress is zero.
    package var isSteady: Bool

    package init(
        kind: Kind, count: Int, silence: Duration, sinceSent: Duration = .zero, pause: Duration = .zero,
        isSteady: Bool = false
    ) {
        self.kind = kind
        self.count = count
        self.silence = silence
        self.sinceSent = sinceSent
        self.pause = pause
        self.isSteady = isSteady
    }

    /// The longest pause of the kernel by default: TCP_RTO_MAX of Linux.
    package static let longestPause = Duration.seconds(120)
}

/// A change to the pace of the kernel's attempts.
package enum AttemptPace: Equatable, Sendable {
    /// The longest pause, from the next attempt on: TCP_RTO_MAX_MS, 1 second to `Attempts.longestPause`.
    case pauses(atMost: Duration)
    /// TCP_USER_TIMEOUT; zero for none.
    case userTimeout(Duration)
    /// TCP_KEEPIDLE, in whole seconds, and TCP_KEEPCNT. A probe that is due after this silence is sent at once.
    case probes(idle: Duration, count: Int32)
}

extension KernelSocket {
    package var attempts: Attempts? {
        if hasLocalPeer { return nil }
        var info = attempt_info()
        var length = socklen_t(MemoryLayout<attempt_info>.size)
        let result = unsafe getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &info, &length)
        return result == 0 ? Attempts(info, knowsWindow: Int(length) >= MemoryLayout<attempt_info>.size) : nil
    }

    package func setPace(_ pace: AttemptPace) -> Bool {
        func set(_ option: Int32, _ value: Int64) -> Bool {
            setOption(descriptor, Int32(IPPROTO_TCP), option, Int32(clamping: value))
        }
        switch pace {
        case .pauses(let longest): return set(Keepalive.longestRetransmissionPause, longest.wholeMilliseconds)
        case .userTimeout(let timeout): return set(TCP_USER_TIMEOUT, timeout.wholeMilliseconds)
        case .probes(let idle, let count):
            return set(TCP_KEEPCNT, Int64(count)) && set(TCP_KEEPIDLE, idle.components.seconds)
        }
    }
}

extension Attempts {
    /// The values are those of tcp_get_info in Linux's net/ipv4/tcp.c. Each acknowledgement resets `tcpi_probes`; only
    /// one of new data resets `tcpi_retransmits`.
    init(_ info: attempt_info, knowsWindow: Bool) {
        let base = info.base
        let waits = base.tcpi_unacked > 0
        let probesWindow = base.tcpi_backoff > 0 && !waits
        kind = probesWindow ? .windowProbe : waits ? .retransmission : .keepalive
        if waits, knowsWindow, info.snd_wnd == 0 { kind = .retransmissionIntoClosedWindow }
        count = Int(base.tcpi_probes) + (waits ? Int(base.tcpi_retransmits) : 0)
        silence = .milliseconds(min(base.tcpi_last_ack_recv, base.tcpi_last_data_recv))
        sinceSent = .milliseconds(base.tcpi_last_data_sent)
        let timeout = Duration.microseconds(base.tcpi_rto)
        // For retransmissions the timeout is the next pause, for probes the first one.
        let doublings = probesWindow ? min(Int(base.tcpi_backoff), 10) : 0
        pause = min(timeout * (1 << doublings), Self.longestPause)
        isSteady = count == 0 && base.tcpi_backoff == 0 && base.tcpi_ca_state == 0
    }
}
