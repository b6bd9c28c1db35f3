// The log of a running pgleash, read in pieces, for tests that look at it thousands of times.

/// A place in the log, behind which nothing has been read yet.
struct LogTail {
    private let process: ChildProcess
    private var offset = 0

    init(of pgleash: PgleashProcess) { process = pgleash.process }

    /// The whole lines that have come since the last call.
    mutating func next() -> [String] {
        let text = process.errorOutput(from: offset)
        guard let end = text.lastIndex(of: "\n") else { return [] }
        offset += text[...end].utf8.count
        return text[...end].split(separator: "\n").map(String.init)
    }
}
