// The buffer of log lines whose reader is slow.

import Logging
import Testing

@testable import Telemetry

@Suite struct `A buffer of log lines` {
    /// Lines so large that a hundred fill the buffer.
    private func line(_ number: Int) -> String {
        let name = "\(number) "
        return name + String(repeating: "x", count: LogBuffer.capacity / 100 - name.utf8.count)
    }

    private func numbers(_ buffer: inout LogBuffer) -> [Int] {
        var numbers: [Int] = []
        while !buffer.isEmpty { numbers.append(Int(buffer.take(1).text.prefix { $0 != " " }) ?? -1) }
        return numbers
    }

    @Test func `gives lines back in the order in which they came, whatever their levels`() {
        var buffer = LogBuffer()
        for number in 0..<100 { buffer.append(line(number), Logger.Level.allCases[number % 7]) }
        let kept = numbers(&buffer)
        #expect(kept == Array(0..<100))
        #expect(buffer.droppedCount == 0)
    }

    @Test func `drops the least severe lines first, the oldest of them`() {
        var buffer = LogBuffer()
        for number in 0..<100 { buffer.append(line(number), number % 2 == 0 ? .info : .warning) }
        for number in 100..<110 { buffer.append(line(number), .warning) }
        #expect(buffer.droppedCount == 10)
        let kept = numbers(&buffer)
        #expect(kept == (0..<110).filter { $0 % 2 == 1 || $0 >= 20 })
    }

    @Test func `drops a new line where all others are more severe`() {
        var buffer = LogBuffer()
        for number in 0..<100 { buffer.append(line(number), .error) }
        buffer.append(line(100), .info)
        #expect(buffer.droppedCount == 1)
        let kept = numbers(&buffer)
        #expect(kept == Array(0..<100))
    }

    @Test func `reports once how many lines were dropped`() {
        var buffer = LogBuffer()
        for number in 0..<103 { buffer.append(line(number), .info) }
        let told = [buffer.take(1).dropped, buffer.take(1).dropped]
        #expect(told == [3, 0])
        #expect(buffer.droppedCount == 3)
    }

    @Test func `never holds more than its capacity`() {
        var buffer = LogBuffer()
        buffer.append(String(repeating: "x", count: LogBuffer.capacity + 1), .critical)
        #expect(buffer.isEmpty)
        #expect(buffer.droppedCount == 1)
    }
}
