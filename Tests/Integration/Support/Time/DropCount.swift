// The number of clients that leave in a test of a race: few in a run of all tests, many where the environment requests
// it.

import Foundation

enum DropCount {
    /// The value of PGLEASH_DROPS, such as 20000.
    private static let wanted = ProcessInfo.processInfo.environment["PGLEASH_DROPS"].flatMap { Int($0) }

    /// The number is large.
    static var isMany: Bool { wanted != nil }

    /// - Parameters:
    ///   - few: the number without PGLEASH_DROPS.
    ///   - share: the part of PGLEASH_DROPS, for tests that take longer or whose race is less rare.
    static func of(_ few: Int, share: Double = 1) -> Int { wanted.map { Int(Double($0) * share) } ?? few }
}
