// All random values of a schedule, from one seed.

import Simulation
import TestSupport

/// Draws for one schedule.
final class Chance {
    private var generator: SeededGenerator
    /// Whether peers are slow, sends are short and connections fail; otherwise there are no faults.
    let isRough: Bool

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        isRough = generator.next() % 3 != 0
    }

    /// A number from 0 to `count` - 1; `count` is more than 0.
    func below(_ count: Int) -> Int {
        Int(truncatingIfNeeded: ((generator.next() >> 32) &* UInt64(count)) >> 32)
    }

    func oneIn(_ count: Int) -> Bool { below(count) == 0 }

    func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }

    /// True once in so many calls, if there are faults.
    func mishap(_ count: Int) -> Bool { isRough && oneIn(count) }

    /// The time that an actor takes, in nanoseconds: most often microseconds, sometimes close to a timeout.
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

    /// The delay of an event loop. Its turns are short, so it is rarely more than a millisecond.
    func lateness() -> UInt64 {
        UInt64((isRough && oneIn(16) ? 50 + below(2500) : 1 + below(40))) * 1000
    }

    /// The number of `available` bytes that are taken at once; sometimes none.
    func portion(_ available: Int) -> Int {
        switch isRough ? below(8) : 7 {
        case 0: 1
        case 1: below(available + 1)
        case 2: 1 + below(available)
        case 3 where oneIn(4): 0
        default: available
        }
    }

    /// The capacity of one direction of a connection.
    func capacity() -> Int {
        isRough ? pick([1, 7, 24, 60, 200, 1000]) : 4000
    }
}
