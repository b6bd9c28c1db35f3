// A program that the tests start: its output, its signals, its end.

import Foundation
import TestSupport
import Testing

/// The end of a process.
enum Exit: Equatable {
    case code(Int32)
    case signal(Int32)
}

/// A running program in its own process group. It is killed when the object is released, and when the tests end.
final class ChildProcess {
    let pid: pid_t
    private let program: String
    private let outputFile: String
    private let errorFile: String
    private(set) var exit: Exit?

    /// - Parameters:
    ///   - input: a descriptor for standard input; nil is /dev/null.
    ///   - output: a file for standard output instead of one of its own.
    ///   - terminal: a terminal instead of these.
    init(
        _ path: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        input: Int32? = nil,
        output: String? = nil,
        terminal: Terminal? = nil
    ) throws {
        let name = (path as NSString).lastPathComponent
        program = ([name] + arguments).joined(separator: " ")
        outputFile = output ?? RunFolder.shared.newPath("\(name).output")
        errorFile = RunFolder.shared.newPath("\(name).error")
        pid = spawn(
            path, arguments, environment: environment, input: input, output: outputFile, error: errorFile,
            terminal: terminal?.device
        )
        guard pid > 0 else { throw TimedOut(description: "\(path) could not be started") }
        RunFolder.shared.add(pid)
    }

    deinit {
        kill()
    }

    /// Its standard output so far.
    var output: String { readText(outputFile) ?? "" }

    /// Its standard error so far.
    var errorOutput: String { readText(errorFile) ?? "" }

    /// Its standard error after the first `offset` bytes.
    func errorOutput(from offset: Int) -> String { readText(errorFile, from: offset) ?? "" }

    var isRunning: Bool {
        collect()
        return exit == nil
    }

    func send(_ signal: Int32) {
        guard isRunning else { return }
        Foundation.kill(pid, signal)
    }

    /// Waits for the end of the process, and kills it if it does not end.
    @discardableResult
    func wait(within duration: Duration = .seconds(20)) throws -> Exit {
        let deadline = Deadline(after: duration)
        while isRunning {
            guard !deadline.hasPassed else {
                kill()
                throw TimedOut(description: "\(program) had to be killed after \(duration): \(errorOutput)")
            }
            rest(.milliseconds(1))
        }
        return exit ?? .code(-1)
    }

    /// Kills the whole group, and waits for the end of its leader.
    func kill() {
        guard isRunning else { return }
        Foundation.kill(-pid, SIGKILL)
        while isRunning { rest(.milliseconds(1)) }
    }

    private func collect() {
        guard exit == nil else { return }
        var status: Int32 = 0
        guard unsafe waitpid(pid, &status, WNOHANG) == pid else { return }
        let signal = status & 0x7f
        exit = signal == 0 ? .code(status >> 8 & 0xff) : .signal(signal)
        RunFolder.shared.remove(pid)
    }
}

extension ChildProcess {
    /// Runs a program to its end.
    ///
    /// - Returns: its end and its output.
    static func run(
        _ path: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        within duration: Duration = .seconds(30)
    ) throws -> (exit: Exit, output: String, error: String) {
        let process = try ChildProcess(path, arguments, environment: environment)
        let exit = try process.wait(within: duration)
        return (exit, process.output, process.errorOutput)
    }

    /// Processor time it has used, user and system.
    var processorTime: Duration {
        let stat = readText("/proc/\(pid)/stat") ?? ""
        // The name, in parentheses, can contain anything; the 14th and 15th fields are after it.
        let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Int(fields[11]), let system = Int(fields[12]) else { return .zero }
        return .milliseconds((user + system) * 1000 / Int(sysconf(Int32(_SC_CLK_TCK))))
    }
}
