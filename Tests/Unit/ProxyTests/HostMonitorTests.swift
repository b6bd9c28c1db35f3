// Outages and dead hosts: no outage within the timeout ends a connection, and a dead host is noticed soon after it,
// whatever the network was doing, on kernels with short pauses between attempts and with doubling ones.

import Reactor
import Testing

@testable import Proxy

@Suite struct `The watch over a peer's host` {
    private static let keepalive = Keepalive(idle: .seconds(30), interval: .seconds(5), count: 3, userTimeout: .zero)
    /// The pauses before the first retransmission in milliseconds: for a near peer, and for more distant ones.
    private static let firstPauses = [201, 340, 1500]

    /// One connection with one failure of its network, checked each second.
    private struct Trial: CustomStringConvertible {
        var traffic: KernelModel.Traffic
        var knowsPauses: Bool
        var firstPause: Int
        /// In milliseconds.
        var start: Int
        var length: Int
        /// The offset of the checks within a second.
        var phase = 0
        /// The seconds without a check.
        var stopped = 0..<0

        var description: String {
            "\(traffic), knowsPauses \(knowsPauses), \(firstPause) ms, outage \(start) + \(length) ms, phase \(phase)"
        }

        /// - Returns: milliseconds from the beginning of the outage until the host counts as lost, for the monitor or
        ///   for the kernel; nil if it never does.
        func run(until end: Int) -> Int? {
            let keepalive = `The watch over a peer's host`.keepalive
            let kernel = KernelModel(
                traffic, keepalive, knowsPauses: knowsPauses, outage: start..<start + length, firstPause: firstPause)
            var watch: HostMonitor?
            for second in 0..<end / 1000 {
                let time = second * 1000 + phase
                kernel.advance(to: time)
                if kernel.isEnded { return time - start }
                if stopped.contains(second) { continue }
                let now = MonotonicTime(nanoseconds: UInt64(time + 1_000_000) * 1_000_000)
                var current = watch ?? HostMonitor(keepalive, at: now)
                if current.check(kernel, at: now) { return time - start }
                watch = current
            }
            return nil
        }
    }

    private func forEach(
        _ traffic: [KernelModel.Traffic], starts: [Int], length: Int, knowsPauses: Bool, _ body: (Trial) -> Void
    ) {
        for traffic in traffic {
            for firstPause in Self.firstPauses {
                for start in starts {
                    for phase in [90, 640] {
                        body(
                            Trial(
                                traffic: traffic, knowsPauses: knowsPauses, firstPause: firstPause, start: start,
                                length: length, phase: phase))
                    }
                }
            }
        }
    }

    private static let starts = [3000, 7450, 12_900, 100_500]

    @Test(arguments: [true, false], [10, 28, 44])
    func `No outage within the timeout is the end of a connection`(knowsPauses: Bool, seconds: Int) {
        var failures: [String] = []
        forEach(KernelModel.Traffic.allCases, starts: Self.starts, length: seconds * 1000, knowsPauses: knowsPauses) {
            guard let time = $0.run(until: $0.start + $0.length + 70_000) else { return }
            failures.append("\($0): \(time)")
        }
        #expect(failures.count == 0, "\(failures.prefix(3)), \(failures.count)")
    }

    /// A kernel that probes a closed window each second gives up after 15 probes if no check follows; and a session
    /// that was not checked yet has the kernel's keepalive.
    @Test(arguments: [true, false])
    func `A time in which the process is stopped counts for nothing`(knowsPauses: Bool) {
        var failures: [String] = []
        let traffic: [KernelModel.Traffic] = knowsPauses ? [.rows, .idle] : [.rows, .idle, .unread]
        forEach(traffic, starts: [12_900, 55_000], length: 44_000, knowsPauses: knowsPauses) {
            for offset in $0.traffic == .idle ? [-1, 2, 8] : [-50, -20, -1, 2, 8] {
                var trial = $0
                let from = max(0, trial.start / 1000 + offset)
                trial.stopped = from..<from + 60
                guard let time = trial.run(until: trial.start + 120_000) else { continue }
                failures.append("\(trial), \(offset): \(time)")
            }
        }
        #expect(failures.count == 0, "\(failures.prefix(3)), \(failures.count)")
    }

    /// The longest time in milliseconds until a dead host is noticed.
    private func worst(_ traffic: KernelModel.Traffic, starts: [Int] = starts, knowsPauses: Bool) -> Int {
        var worst = 0
        forEach([traffic], starts: starts, length: .max / 2, knowsPauses: knowsPauses) {
            worst = max(worst, $0.run(until: $0.start + 400_000) ?? .max)
        }
        return worst
    }

    @Test(arguments: [true, false])
    func `A dead host is noticed within 2 seconds of the timeout`(knowsPauses: Bool) {
        let idle = worst(.idle, knowsPauses: knowsPauses)
        #expect(idle <= 47_000)
        // The first retransmission to a distant peer comes a second later.
        let rows = worst(.rows, knowsPauses: knowsPauses)
        #expect(rows <= 48_000)
        let unread = knowsPauses ? worst(.unread, knowsPauses: true) : 0
        #expect(unread <= 48_500)
    }

    @Test func `Where pauses can't be shortened, a peer that reads nothing is missed after the next of them`() {
        let soon = worst(.unread, starts: [3000, 7450], knowsPauses: false)
        #expect(soon <= 48_500 + 15_000)
        let late = worst(.unread, starts: [100_500], knowsPauses: false)
        #expect(late <= 48_500 + 2 * 120_000)
    }

    /// Checks these states of the kernel, by second: the number of unanswered attempts, and the time since the last
    /// packet.
    ///
    /// - Returns: whether the host was lost at one of the checks.
    private func isLost(_ looks: [(second: Int, count: Int, silence: Int)]) -> Bool {
        let socket = FixedAttempts()
        let start = MonotonicTime(nanoseconds: 1_000_000_000_000)
        var watch = HostMonitor(Self.keepalive, at: start)
        return looks.contains { second, count, silence in
            socket.attempts = Attempts(
                kind: .windowProbe, count: count, silence: .seconds(silence), pause: .seconds(51))
            return watch.check(socket, at: start.advanced(by: .seconds(second)))
        }
    }

    @Test func `One or two packets that are lost at long pauses are no end, however long ago the last one came`() {
        #expect(!isLost((1...200).map { ($0, $0 > 150 ? 2 : $0 > 50 ? 1 : 0, $0 + 51) }))
        #expect(isLost((1...200).map { ($0, $0 > 190 ? 3 : $0 > 150 ? 2 : $0 > 50 ? 1 : 0, $0 + 51) }))
    }

    @Test func `Attempts first seen when the process runs again may be the first of an outage`() {
        #expect(!isLost([(1, 0, 10), (61, 3, 70), (62, 4, 71), (63, 4, 72), (64, 5, 73)]))
    }

    @Test func `An answer to a late attempt takes away what went before it`() {
        let silence = (1...46).map { ($0, $0, $0) }
        #expect(!isLost(silence + [(47, 0, 0), (48, 3, 1), (49, 4, 2), (50, 5, 3)]))
        #expect(isLost(silence + [(47, 47, 47)]))
    }
}

/// A socket whose kernel state the test sets.
private final class FixedAttempts: StreamSocket {
    weak var owner: (any SocketOwner)?
    var interest: Interest = []
    let peerAddress: SocketAddress? = nil
    var attempts: Attempts?

    func takeError() -> SystemError? { nil }
    func receive(into buffer: ReceiveBuffer, limit: Int) -> Received { .wouldBlock }
    func send(_ bytes: Span<UInt8>) -> Sent { .bytes(0) }
    func shutdownSending() {}
    func close() {}
}
