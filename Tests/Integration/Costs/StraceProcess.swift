// A pgleash under strace, which counts its system calls.

import TestSupport

/// A running pgleash, and its system calls.
final class StraceProcess {
    let pgleash: PgleashProcess
    private let file: String

    /// - Parameter program: a pgleash, which runs with one worker.
    init(_ program: String) throws {
        file = RunFolder.shared.newPath("strace")
        // As a daemon, strace leaves pgleash as the started process, and may trace it where Yama restricts this.
        pgleash = try PgleashProcess(
            server: PrivatePostgres.shared.address, arguments: ["--workers=1"],
            launcher: [
                Programs.system("strace"), "--daemonize", "--follow-forks", "--signal=none", "--string-limit=0",
                "--quiet=all", "--output=\(file)",
            ],
            program: program
        )
        // Without ptrace(2) pgleash runs nevertheless.
        guard !total().isEmpty else { throw TimedOut(description: "no counts from strace: \(pgleash.log)") }
    }

    /// The system calls of all threads during `body`, by name.
    func count(during body: () throws -> Void) throws -> [String: Int] {
        let before = total()
        try body()
        return total().merging(before) { $0 - $1 }
    }

    /// A line is the number of a thread, a space and a call, such as `recvfrom(7, ...) = 25`. Where another thread's
    /// call interrupted it, the rest follows in a line that begins with `<`.
    private func total() -> [String: Int] {
        let lines = (readText(file) ?? "").split(separator: "\n")
        let names = lines.compactMap { line -> String? in
            let call = line.drop { $0 != " " }.drop { $0 == " " }
            return call.first == "<" ? nil : Self.canonical(call.prefix { $0 != "(" })
        }
        return Dictionary(names.map { ($0, 1) }, uniquingKeysWith: +)
    }

    /// epoll_wait(3) is another system call on some architectures.
    private static func canonical(_ name: Substring) -> String {
        name.hasPrefix("epoll_pwait") ? "epoll_wait" : String(name)
    }
}
