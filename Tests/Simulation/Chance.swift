// All that is random in a schedule, from one seed.

import Simulation
import TestSupport

/// Draws for one schedule.
final class Chance {
    private var generator: SeededGenerator
    /// Whether peers dawdle, sends fall short and connections fail; else all goes smoothly.
    let isRough: Bool

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        isRough = generator.next() % 3 != 0
    }

    /// 0 ..< `count`, which is more than 0.
    func below(_ count: Int) -> Int {
        Int(truncatingIfNeeded: ((generator.next() >> 32) &* UInt64(count)) >> 32)
    }

    func oneIn(_ count: Int) -> Bool { below(count) == 0 }

    func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }

    /// One in so many, when all goes roughly.
    func mishap(_ count: Int) -> Bool { isRough && oneIn(count) }

    /// How long somebody takes to act, in nanoseconds: most often microseconds, sometimes until a time-out is near.
    func latency() -> UInt64 {
        let microseconds =
            switch isRough ? below(32) : 0 {
            case 0..<20: 1 + below(50)
            case 20..<28: 50 + below(1000)
            case 28..<31: 1000 + below(8000)
            default: 8000 + below(oneIn(8) ? 700_000 : 50_000)
            }
        return UInt64(microseconds) * 1000
    }

    /// How late an event loop is. Its turns are short, so rarely more than a millisecond.
    func lateness() -> UInt64 {
        UInt64((isRough && oneIn(16) ? 50 + below(2500) : 1 + below(40))) * 1000
    }

    /// How many of `available` bytes are taken at once; sometimes none.
    func portion(_ available: Int) -> Int {
        switch isRough ? below(8) : 7 {
        case 0: 1
        case 1: below(available + 1)
        case 2: 1 + below(available)
        case 3 where oneIn(4): 0
        default: available
        }
    }

    /// How much a direction of a connection holds.
    func capacity() -> Int {
        isRough ? pick([1, 7, 24, 60, 200, 1000]) : 4000
    }
}
