// A signal handler for traps of the product: it prints the schedules that were under way.

import Foundation

/// Lines for standard error, one for each thread that runs schedules.
enum CrashNote {
    private static let text = Array("crashed in or beside PGLEASH_SCHEDULE=".utf8)
    private static let digits = 20
    private static let width = text.count + digits + 1
    /// Plain memory: a handler may neither allocate memory nor wait.
    nonisolated(unsafe) private static var lines: UnsafeMutablePointer<UInt8>?
    nonisolated(unsafe) private static var length = 0

    /// Allocates memory for this number of threads, and installs the handler.
    static func install(threads: Int) {
        unsafe length = threads * width
        unsafe lines = unsafe .allocate(capacity: length)
        unsafe lines?.initialize(repeating: UInt8(ascii: "\n"), count: length)
        for number in [SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS] {
            signal(number) { number in
                if let lines = unsafe CrashNote.lines { _ = unsafe write(STDERR_FILENO, lines, CrashNote.length) }
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }

    /// `thread` now runs this schedule.
    static func note(_ seed: UInt64, thread: Int) {
        guard let line = unsafe lines?.advanced(by: thread * width) else { return }
        for (index, byte) in text.enumerated() { unsafe line[index] = byte }
        var rest = seed
        for index in (0..<digits).reversed() {
            unsafe line[text.count + index] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
    }
}
