// A model of a TCP connection in the kernel, as far as it tries to reach a silent peer, after Linux's tcp_timer.c. It
// allows checks at many points in time that would take hours on real connections.

import Reactor

/// One end of a connection whose network fails once.
final class KernelModel: StreamSocket {
    enum Traffic: CaseIterable {
        /// Bytes are sent and acknowledged all the time.
        case rows
        /// The peer has closed its window at time 0, and acknowledges probes.
        case unread
        /// The last packet came at time 0.
        case idle
    }

    weak var owner: (any SocketOwner)?
    var interest: Interest = []
    let peerAddress: SocketAddress? = nil

    private let traffic: Traffic
    private var keepalive: Keepalive
    /// The kernel is Linux 6.15 or newer.
    private let knowsPauses: Bool
    /// The milliseconds in which no packet passes.
    private let outage: Range<Int>
    private let firstPause: Int
    private(set) var isEnded = false
    private(set) var now = 0
    private var longestPause = 120_000
    private var userTimeout = 0
    private var count = 0
    private var doublings = 0
    private var lastPacket = 0
    private var lastSent = 0
    /// The time of the last progress, as the kernel counts it.
    private var stamp: Int?
    private var next: Int

    init(_ traffic: Traffic, _ keepalive: Keepalive, knowsPauses: Bool, outage: Range<Int>, firstPause: Int) {
        (self.traffic, self.keepalive, self.knowsPauses) = (traffic, keepalive, knowsPauses)
        (self.outage, self.firstPause) = (outage, firstPause)
        switch traffic {
        case .rows: next = outage.lowerBound + firstPause
        case .unread: next = firstPause
        case .idle: next = Int(keepalive.idle.wholeNanoseconds / 1_000_000)
        }
        if knowsPauses { longestPause = Int(keepalive.longestPause.wholeNanoseconds / 1_000_000) }
    }

    func advance(to time: Int) {
        while next <= time, !isEnded {
            now = next
            attempt()
        }
        now = time
        if traffic == .rows, count == 0 { (lastPacket, lastSent) = (min(now, outage.lowerBound), min(now, next - 1)) }
    }

    private func attempt() {
        if hasTimedOut { return isEnded = true }
        let isAnswered = !outage.contains(now)
        if traffic == .idle { return probe(isAnswered) }
        if stamp == nil { stamp = now }
        doublings += 1
        if traffic == .rows { lastSent = now }
        if isAnswered { (count, lastPacket) = (0, now) } else { count += 1 }
        if traffic == .rows, isAnswered { return (stamp, doublings, next) = (nil, 0, .max) }
        next = now + clamped(min(firstPause << min(doublings, 12), longestPause))
    }

    private func probe(_ isAnswered: Bool) {
        if isAnswered { (count, lastPacket) = (0, now) } else { count += 1 }
        let pause = isAnswered ? keepalive.idle : keepalive.interval
        next = now + Int(pause.wholeNanoseconds / 1_000_000)
    }

    private func clamped(_ pause: Int) -> Int {
        guard userTimeout > 0, let stamp else { return pause }
        return min(pause, max(1, userTimeout - (now - stamp)))
    }

    private var hasTimedOut: Bool {
        if traffic == .idle { return count > Int(keepalive.count) }
        guard let stamp else { return false }
        if userTimeout > 0, now - stamp >= userTimeout { return true }
        if traffic == .unread { return count >= 15 }
        return userTimeout == 0 && count > 0 && now - stamp >= modelledTime
    }

    /// tcp_model_timeout for 15 retransmissions.
    private var modelledTime: Int {
        let doublings = (longestPause / 200).bitWidth - 1 - (longestPause / 200).leadingZeroBitCount
        return ((2 << doublings) - 1) * 200 + (15 - doublings) * longestPause
    }

    var attempts: Attempts? {
        let kind: Attempts.Kind =
            switch traffic {
            case .rows: .retransmission
            case .unread: doublings > 0 ? .windowProbe : .retransmission
            case .idle: .keepalive
            }
        return Attempts(
            kind: kind, count: count, silence: .milliseconds(now - lastPacket),
            sinceSent: .milliseconds(now - lastSent),
            pause: .milliseconds(min(firstPause << min(doublings, 12), longestPause)), isSteady: doublings == 0
        )
    }

    func setPace(_ pace: AttemptPace) -> Bool {
        switch pace {
        case .pauses(let longest):
            if knowsPauses { longestPause = Int(longest.wholeNanoseconds / 1_000_000) }
            return knowsPauses
        case .userTimeout(let timeout): userTimeout = Int(timeout.wholeNanoseconds / 1_000_000)
        case .probes(let idle, let count):
            keepalive.idle = idle
            keepalive.count = count - 1
            if traffic == .idle { next = max(now + 1, lastPacket + Int(idle.wholeNanoseconds / 1_000_000)) }
        }
        return true
    }

    func takeError() -> SystemError? { nil }
    func receive(into buffer: ReceiveBuffer, limit: Int) -> Received { .wouldBlock }
    func send(_ bytes: Span<UInt8>) -> Sent { .bytes(0) }
    func shutdownSending() {}
    func close() {}
}
