// Pauses of the machine: a virtual machine is sometimes not scheduled for longer than pgleash may take to cancel a
// query. Such a time does not count.

import Foundation
import Synchronization

/// Watches for pauses from its first use on, with a thread on each processor that needs nearly no time and is therefore
/// scheduled at once, unless no thread is.
final class MachinePauses: Sendable {
    static let shared = MachinePauses()

    private typealias Instant = ContinuousClock.Instant
    private static let beat = Duration.milliseconds(5)
    /// The time that a scheduler with other threads may take to schedule one.
    private static let least = Duration.milliseconds(20)

    private struct Processor {
        var lastBeat = ContinuousClock.now
        var pauses: [Range<Instant>] = []
    }

    private let processors: Mutex<[Processor]>

    private init() {
        let numbers = MachinePauses.allowedProcessors()
        processors = Mutex(numbers.map { _ in Processor() })
        for (index, number) in numbers.enumerated() {
            Thread.detachNewThread { [self] in watch(index, processor: number) }
        }
    }

    /// The time that the machine ran between two moments: the difference without the longest pause of a processor.
    func timeWithout(from start: ContinuousClock.Instant, to end: ContinuousClock.Instant) -> Duration {
        let time = start.duration(to: end)
        guard time > Self.least else { return time }
        while processors.withLock({ $0.contains { $0.lastBeat <= end } }) { rest(Self.beat) }
        return processors.withLock { processors in
            let pauses = processors.map { processor in
                processor.pauses.reduce(Duration.zero) { total, pause in
                    let within = pause.clamped(to: start..<end)
                    return total + within.lowerBound.duration(to: within.upperBound)
                }
            }
            return time - (pauses.max() ?? .zero)
        }
    }

    /// The duration of `body`, without pauses.
    func timed(_ body: () throws -> Void) rethrows -> Duration {
        let start = ContinuousClock.now
        try body()
        return timeWithout(from: start, to: .now)
    }

    private func watch(_ index: Int, processor: Int) {
        MachinePauses.stay(on: processor)
        while true {
            let start = ContinuousClock.now
            rest(Self.beat)
            let now = ContinuousClock.now
            processors.withLock {
                $0[index].lastBeat = now
                if start.duration(to: now) > Self.beat + Self.least { $0[index].pauses.append(start..<now) }
            }
        }
    }

    private static func allowedProcessors() -> [Int] {
        var set = noProcessors
        _ = unsafe getAffinity(0, set.count, &set)
        return (0..<set.count * 8).filter { set[$0 / 8] & 1 << ($0 % 8) != 0 }
    }

    /// Binds this thread to a processor.
    private static func stay(on number: Int) {
        var set = noProcessors
        set[number / 8] = 1 << (number % 8)
        _ = unsafe setAffinity(0, set.count, &set)
    }
}

/// A set with a bit for each processor, of glibc's size.
private let noProcessors = [UInt8](repeating: 0, count: MemoryLayout<cpu_set_t>.size)
private let getAffinity: @convention(c) (pid_t, Int, UnsafeMutableRawPointer) -> Int32 =
    unsafe systemFunction("sched_getaffinity")
private let setAffinity: @convention(c) (pid_t, Int, UnsafeRawPointer) -> Int32 = unsafe systemFunction(
    "sched_setaffinity")
