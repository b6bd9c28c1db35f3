// The start of servers on free ports. A port is not reserved: where it was taken meanwhile, another is tried.

import Foundation
import TestSupport

/// Starts a program that listens on its own port, on one that proves to be free.
///
/// - Parameters:
///   - sign: its message on standard error as soon as it listens; nil for one without a message.
///   - start: starts it with this port.
func startOnFreePort(
    _ name: String, sign: String? = nil, _ start: (UInt16) throws -> ChildProcess
) throws -> (port: UInt16, process: ChildProcess) {
    var lastWords = ""
    for _ in 0..<20 {
        let port = try freePort()
        let process = try start(port)
        try wait(for: "the start of \(name)", within: .seconds(30)) {
            !process.isRunning || sign.map { process.errorOutput.contains($0) } ?? !isFree(port)
        }
        if process.isRunning { return (port, process) }
        lastWords = process.output + process.errorOutput
    }
    throw TimedOut(description: "\(name) did not start: \(lastWords)")
}
