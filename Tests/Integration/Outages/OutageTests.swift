// Networks that fail for a while, and hosts that die, on kernels whose pauses between attempts can be shortened and on
// older ones: no live host counts as dead, whatever data is on its way.

import Foundation
import Testing

extension IntegrationTests {
    @Suite(
        .tags(.toleratesStrayCancels),
        .enabled(if: NetworkNamespace.isWanted, "a network namespace can't be made here; root can")
    )
    struct `When the network fails` {
        /// One failure, seconds after the start.
        private struct Outage {
            let rig: OutageRig
            let start: Int
            let end: Int

            var name: String { "\(end - start) s, \(rig.isOldKernel ? "before" : "since") Linux 6.15" }
        }

        /// Keepalive's settings with a timeout of 12 s.
        private static let shortKeys = [
            "tcp_keepalives_idle = 6", "tcp_keepalives_interval = 2", "tcp_keepalives_count = 3",
        ]

        /// With keepalive's defaults, 45 s, and with 12 s for the last: an older kernel probes a peer that has read
        /// nothing for 25 s, and then not for another 25 s. One lost answer must not count as a silence of that time.
        @Test func `an outage within the timeout ends no session`() throws {
            var outages: [Outage] = []
            for (start, end, keys) in [(6, 16, []), (6, 34, []), (6, 50, []), (23, 28, Self.shortKeys)] {
                for isOldKernel in [false, true] {
                    let rig = try OutageRig(isOldKernel: isOldKernel, keys: keys)
                    outages.append(Outage(rig: rig, start: start, end: end))
                }
            }
            // Single packets are lost as well, and each is delayed.
            for isOldKernel in [false, true] {
                let link = NetworkNamespace.Link.lossy(loss: 0.03, delay: .milliseconds(40))
                let rig = try OutageRig(isOldKernel: isOldKernel, link: link)
                outages.append(Outage(rig: rig, start: 30, end: 40))
            }
            for outage in outages { try outage.rig.start(seconds: outage.end + 20) }
            try play(outages, seconds: 66)
            for outage in outages {
                #expect(outage.rig.lost == [], "\(outage.name)")
                for stream in outage.rig.streams {
                    #expect(stream.isFinished(within: .seconds(15)), "\(stream.name), \(outage.name)")
                }
            }
        }

        private func play(_ outages: [Outage], seconds: Int) throws {
            let start = ContinuousClock.now
            for tick in 0..<seconds * 20 {
                for outage in outages {
                    if tick == outage.start * 20 { try outage.rig.die() }
                    if tick / 20 == outage.end, tick % 20 == 0 { try outage.rig.revive() }
                    outage.rig.pass()
                }
                let next = start + .milliseconds(50 * (tick + 1))
                let left = ContinuousClock.now.duration(to: next)
                if left > .zero { usleep(UInt32(left / .microseconds(1))) }
            }
        }

        /// Within the timeout and 2 s. A kernel before 6.15 probes a peer that has read nothing for 6 s after another 6
        /// s, one that has read nothing for 12 s after another 12 s, and then after 25: these two sessions take longer
        /// there.
        @Test func `a dead host is noticed in every state`() throws {
            let rigs = try [false, true].map { try OutageRig(isOldKernel: $0, keys: Self.shortKeys) }
            for rig in rigs { try rig.start(seconds: 80) }
            try play(rigs.map { Outage(rig: $0, start: 5, end: .max) }, seconds: 5 + 11)
            for rig in rigs { #expect(rig.lost == []) }
            for rig in rigs { expectLost(rig, rig.isOldKernel ? 4 : 6, within: .seconds(5)) }
            expectLost(rigs[1], 6, within: .seconds(30))
        }

        private func expectLost(_ rig: OutageRig, _ count: Int, within time: Duration) {
            let end = ContinuousClock.now + time
            while rig.lost.count < count, ContinuousClock.now < end { usleep(50_000) }
            #expect(rig.lost.count >= count, "isOldKernel \(rig.isOldKernel): \(rig.lost)")
        }
    }
}
