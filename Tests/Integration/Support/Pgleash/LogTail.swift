// The log of a running pgleash, read in pieces, for tests that check it thousands of times.

/// A position in the log; the text after it has not been read.
struct LogTail {
    private let process: ChildProcess
    private var offset = 0

    init(of pgleash: PgleashProcess) { process = pgleash.process }

    /// The complete lines since the last call.
    mutating func next() -> [String] {
        let text = process.errorOutput(from: offset)
        guard let end = text.lastIndex(of: "\n") else { return [] }
        offset += text[...end].utf8.count
        return text[...end].split(separator: "\n").map(String.init)
    }
}
