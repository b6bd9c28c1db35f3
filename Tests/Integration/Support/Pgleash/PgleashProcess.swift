// A real pgleash in front of a real server: started on a free port, watched through its log, its report and /proc.

import Foundation
import TestSupport
import Testing

/// A running pgleash. It is killed when the object is released.
final class PgleashProcess {
    let port: UInt16
    let process: ChildProcess
    /// The file of its `[metrics] file`.
    let metricsFile: String

    /// - Parameters:
    ///   - server: host and port of its server; nil where the configuration has it.
    ///   - listen: its listen address; `PORT` stands for its port.
    ///   - configuration: lines of the configuration file by section.
    ///   - launcher: a command that starts it, such as one with a limit; a prefix.
    ///   - program: another build than the tested one.
    init(
        server: String?,
        listen: String? = "127.0.0.1:PORT",
        configuration: [String: [String]] = [:],
        arguments: [String] = [],
        launcher: [String] = [],
        program: String = Programs.pgleash,
        hasMetricsFile: Bool = true
    ) throws {
        metricsFile = RunFolder.shared.newFolder("metrics") + "/pgleash.prom"
        var sections = configuration
        if hasMetricsFile { sections["metrics", default: []].append("file = \(metricsFile)") }
        var started: (UInt16, ChildProcess)?
        var lastWords = ""
        for _ in 0..<20 where started == nil {
            let port = try freePort()
            let text = sections.map { "[\($0.key)]\n" + $0.value.joined(separator: "\n") + "\n" }.joined()
                .replacingOccurrences(of: "PORT", with: "\(port)")
            var words = launcher + [program, "--config", try RunFolder.shared.newFile("pgleash.conf", text)]
            words += listen.map { ["--listen", $0.replacingOccurrences(of: "PORT", with: "\(port)")] } ?? []
            words += server.map { ["--server", $0] } ?? []
            words += arguments
            let process = try ChildProcess(words[0], Array(words.dropFirst()))
            try wait(for: "the start of pgleash") {
                !process.isRunning || process.errorOutput.contains(" started")
            }
            if process.isRunning {
                started = (port, process)
            } else {
                lastWords = process.errorOutput
                guard lastWords.contains("could not listen") else { break }
            }
        }
        guard let started else { throw TimedOut(description: "pgleash did not start: \(lastWords)") }
        (port, process) = started
    }

    /// In front of the shared server.
    convenience init(
        configuration: [String: [String]] = [:],
        arguments: [String] = [],
        launcher: [String] = [],
        hasMetricsFile: Bool = true
    ) throws {
        try self.init(
            server: PrivatePostgres.shared.address, configuration: configuration, arguments: arguments,
            launcher: launcher, hasMetricsFile: hasMetricsFile
        )
    }

    /// The address that clients connect to.
    var address: String { "127.0.0.1:\(port)" }

    var log: String { process.errorOutput }

    /// The lines of the log that contain `text`.
    func logLines(_ text: String) -> [String] {
        log.split(separator: "\n").filter { $0.contains(text) }.map(String.init)
    }

    /// The same, once there are so many: a thread of its own writes the log, and may be late.
    func waitForLogLines(_ text: String, count: Int = 1) throws -> [String] {
        try wait(for: "\(count) log lines with \(text)") {
            let lines = logLines(text)
            return lines.count < count ? nil : lines
        }
    }

    /// Waits for the startup check of the server. Until then there is one more thread, with its own descriptors, and a
    /// connection to the server.
    func waitForProbe() throws {
        try wait(for: "the probe of the server") { log.contains("startup check of server") }
    }

    /// Requests a report with SIGUSR1, and reads it.
    func report() throws -> Report {
        unsafe unlink(metricsFile)
        process.send(SIGUSR1)
        let file = metricsFile
        return try wait(for: "pgleash's report") {
            guard process.isRunning else { throw TimedOut(description: "pgleash has died: \(log)") }
            return try readText(file).map { try Report(parsing: $0) }
        }
    }

    /// Requests reports until one satisfies `condition`.
    @discardableResult
    func waitForReport(
        _ what: String, within duration: Duration = .seconds(10), _ condition: (Report) -> Bool
    ) throws -> Report {
        try wait(for: "a report with \(what)", within: duration) {
            let report = try report()
            return condition(report) ? report : nil
        }
    }

    /// Ends it as an operator would, and fails the test when this does not work.
    func stop(sourceLocation: SourceLocation = #_sourceLocation) {
        guard process.isRunning else {
            let exit = process.exit.map { "\($0)" } ?? ""
            Issue.record("pgleash had ended before: \(exit)", sourceLocation: sourceLocation)
            return
        }
        process.send(SIGTERM)
        let exit = try? process.wait(within: .seconds(8))
        #expect(exit == .code(0), "pgleash's end", sourceLocation: sourceLocation)
    }
}

extension PgleashProcess {
    /// Ends it with SIGKILL.
    func kill() throws {
        process.send(SIGKILL)
        _ = try process.wait(within: .seconds(8))
    }
}

// MARK: - The information in /proc

extension PgleashProcess {
    /// Open descriptors.
    var descriptors: Int { descriptorPaths.count }

    /// The descriptors that are sockets: valgrind opens and closes others.
    var sockets: Int {
        descriptorPaths.count { path in
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path)
            return target?.hasPrefix("socket:") == true
        }
    }

    private var descriptorPaths: [String] {
        let folder = "/proc/\(process.pid)/fd"
        return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).map { "\(folder)/\($0)" }
    }

    /// KiB of memory: a line of /proc/PID/status such as VmRSS or VmHWM.
    func memory(_ name: String) -> Int {
        let status = readText("/proc/\(process.pid)/status") ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? -1
    }

    /// Processor time it has used, user and system.
    var processorTime: Duration { process.processorTime }
}
