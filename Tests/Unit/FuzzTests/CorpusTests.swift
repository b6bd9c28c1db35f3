// The corpus of the fuzzer as ordinary tests, so that no error found once returns.

import Foundation
import FuzzTargets
import TestSupport
import Testing

/// The inputs of one target, by the names of their files.
private func corpus(_ target: FuzzTarget) throws -> [String: [UInt8]] {
    let folder = Repository.root.appending(path: "Tests/Data/Corpus/\(target.rawValue)")
    var inputs: [String: [UInt8]] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
        inputs[name] = Array(try Data(contentsOf: folder.appending(path: name)))
    }
    return inputs
}

private func violation(_ target: FuzzTarget, _ bytes: [UInt8]) -> String? {
    do throws(Violation) {
        try target.run(bytes)
        return nil
    } catch {
        return "\(error)"
    }
}

@Suite struct `The corpus of the fuzzer` {
    @Test(arguments: FuzzTarget.allCases) func `keeps every rule`(target: FuzzTarget) throws {
        let inputs = try corpus(target)
        #expect(inputs.count >= 10)
        for (name, bytes) in inputs {
            if let violation = violation(target, bytes) { Issue.record("\(target.rawValue)/\(name): \(violation)") }
        }
    }

    @Test(arguments: FuzzTarget.allCases)
    func `keeps every rule when its inputs are cut short`(target: FuzzTarget) throws {
        // A transcript that repeats its messages thousands of times takes long.
        for (name, bytes) in try corpus(target) where target != .requests || !bytes.contains(UInt8(ascii: "*")) {
            for count in 0..<min(bytes.count, 64) {
                if let violation = violation(target, Array(bytes.prefix(count))) {
                    Issue.record("\(target.rawValue)/\(name), the first \(count) bytes: \(violation)")
                }
            }
        }
    }
}
