// The kernel's attempts to reach a TCP peer's host: how many go without an answer, and how soon it makes the next.

import CLibevent
import Glibc

/// What the kernel knows at one moment of its attempts to reach a peer.
package struct Attempts: Equatable, Sendable {
    /// What the kernel would send next, were there no answer.
    package enum Kind: Sendable {
        /// Keepalive's probes: nothing is under way.
        case keepalive
        /// Sent bytes once more.
        case retransmission
        /// Whether the peer has room: bytes wait, and its window is closed.
        case windowProbe
        /// Sent bytes once more, to a peer that has taken its window back. The kernel ends such a connection when it
        /// has heard nothing for twice its longest pause (tcp_rtx_probe0_timed_out).
        case retransmissionIntoClosedWindow
    }

    package var kind: Kind
    /// Those without an answer.
    package var count: Int
    /// Since the last packet that came.
    package var silence: Duration
    /// Since bytes were last sent, for the first or another time. Probes have none.
    package var sinceSent: Duration
    /// From the last attempt to the next, as far as no option shortens it; for keepalive it has no meaning.
    package var pause: Duration
    /// Nothing is lost, held up or repeated, so that the kernel's count of the time without progress is at zero.
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

    /// The longest pause of a kernel that was told no other: TCP_RTO_MAX of Linux.
    package static let longestPause = Duration.seconds(120)
}

/// A change of the pace of the kernel's attempts.
package enum AttemptPace: Equatable, Sendable {
    /// No pause is longer, from the next attempt on: TCP_RTO_MAX_MS, 1 second to `Attempts.longestPause`.
    case pauses(atMost: Duration)
    /// TCP_USER_TIMEOUT; zero for none.
    case userTimeout(Duration)
    /// TCP_KEEPIDLE, whole seconds, and TCP_KEEPCNT. A probe that is due after as long a silence goes at once.
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
    /// Of tcp_get_info in Linux's net/ipv4/tcp.c. An acknowledgement sets `tcpi_probes` to zero in any case,
    /// `tcpi_retransmits` only where it acknowledges something new.
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
        // Of the pauses between retransmissions the timeout is the next one, between probes the first.
        let doublings = probesWindow ? min(Int(base.tcpi_backoff), 10) : 0
        pause = min(timeout * (1 << doublings), Self.longestPause)
        isSteady = count == 0 && base.tcpi_backoff == 0 && base.tcpi_ca_state == 0
    }
}
