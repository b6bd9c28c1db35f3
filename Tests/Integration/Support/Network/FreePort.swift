// Starts servers on ports that are free. Nothing reserves a port: where it was taken meanwhile, another is tried.

import Foundation
import TestSupport

/// Starts a program that listens on a port of its own, on one that turns out to be free.
///
/// - Parameters:
///   - sign: what it writes to standard error as soon as it listens; nil for one that writes nothing.
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
