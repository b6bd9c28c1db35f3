// How many clients a test of a race sends away: few where all tests run, many where the environment says so.

import Foundation

enum DropCount {
    /// The value of PGLEASH_DROPS, such as 20000.
    private static let wanted = ProcessInfo.processInfo.environment["PGLEASH_DROPS"].flatMap { Int($0) }

    /// There are to be many.
    static var isMany: Bool { wanted != nil }

    /// - Parameters:
    ///   - few: without PGLEASH_DROPS.
    ///   - share: of PGLEASH_DROPS, for what takes longer or is less rare than others.
    static func of(_ few: Int, share: Double = 1) -> Int { wanted.map { Int(Double($0) * share) } ?? few }
}
