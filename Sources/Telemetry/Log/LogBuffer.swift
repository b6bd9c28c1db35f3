// The buffer of log lines that wait for their reader. When it is full, the least severe lines are dropped first, and
// counted.

import Logging

/// A bounded queue of lines.
package struct LogBuffer {
    private struct Line {
        let number: UInt64
        let text: String
    }

    /// The lines of one level, oldest first.
    private struct Queue {
        private var lines: [Line] = []
        private var head = 0

        var first: Line? { head < lines.count ? lines[head] : nil }

        mutating func append(_ line: Line) { lines.append(line) }

        mutating func removeFirst() -> Line {
            defer {
                head += 1
                if head * 2 > lines.count {
                    lines.removeFirst(head)
                    head = 0
                }
            }
            return lines[head]
        }
    }

    /// The bytes of all lines together: about 5,000 lines.
    static let capacity = 1 << 20

    private var queues = Logger.Level.allCases.map { _ in Queue() }
    private var byteCount = 0
    private var nextNumber: UInt64 = 0
    /// The number of lines that were dropped since the start.
    package private(set) var droppedCount: Int64 = 0
    /// The number of lines that were dropped since the last notice.
    private var unreportedCount = 0

    package init() {}

    package var isEmpty: Bool { byteCount == 0 }

    /// Adds a line, and drops older or less severe ones where there is no space; or this one, where all others are more
    /// severe.
    package mutating func append(_ text: String, _ level: Logger.Level) {
        let (size, rank) = (text.utf8.count, Self.rank(level))
        while byteCount + size > Self.capacity {
            guard let least = queues[...rank].firstIndex(where: { $0.first != nil }) else { return drop() }
            byteCount -= queues[least].removeFirst().text.utf8.count
            drop()
        }
        queues[rank].append(Line(number: nextNumber, text: text))
        nextNumber += 1
        byteCount += size
    }

    /// Counts lines that were taken and could not be written.
    package mutating func noteLost(_ count: Int) { drop(count) }

    private mutating func drop(_ count: Int = 1) {
        droppedCount += Int64(count)
        unreportedCount += count
    }

    /// Takes lines in the order of their arrival, about `size` bytes together.
    ///
    /// - Returns: the lines, and the number of lines that were dropped before the last of them.
    package mutating func take(_ size: Int) -> (text: String, dropped: Int) {
        var text = ""
        while text.utf8.count < size, let oldest = oldestQueue {
            let line = queues[oldest].removeFirst()
            byteCount -= line.text.utf8.count
            text += line.text
        }
        defer { unreportedCount = 0 }
        return (text, unreportedCount)
    }

    private var oldestQueue: Int? {
        var oldest: (index: Int, number: UInt64)?
        for index in queues.indices {
            guard let number = queues[index].first?.number, number < oldest?.number ?? .max else { continue }
            oldest = (index, number)
        }
        return oldest?.index
    }

    private static func rank(_ level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 0 }
}
