// The entry points for libFuzzer, built by `make fuzz` only. PGLEASH_FUZZ_TARGET selects the target; FuzzTargets
// contains the targets.

import FuzzTargets
import Glibc

private let target: FuzzTarget = {
    let name = unsafe getenv("PGLEASH_FUZZ_TARGET").map { unsafe String(cString: $0) }
    guard let target = FuzzTarget(rawValue: name ?? "") else {
        fatalError("PGLEASH_FUZZ_TARGET must be one of \(FuzzTarget.allCases.map(\.rawValue))")
    }
    return target
}()

/// libFuzzer keeps an input that reaches new code, and ends with a report at one that traps.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    do throws(Violation) {
        try target.run(unsafe Array(UnsafeBufferPointer(start: start, count: count)))
    } catch {
        fatalError("\(error)")
    }
    return 0
}
