// The watch of a descriptor that a library owns.

import Glibc
import TestSupport
import Testing

@testable import Reactor

extension RealLoop {
    @Suite struct `The watch of a descriptor` {
        /// A library can close its descriptor in a call of the watch, and the next one can have the same number.
        @Test func `ends at its close, also within its own call, so that the number can be used again at once`() throws
        {
            let loop = LibeventLoop(receiveBufferSize: 1)
            let first = try makePipe()
            var second: (reader: Int32, writer: Int32)?
            var later: DescriptorWatch?
            var calls = 0
            var watch: DescriptorWatch?
            watch = DescriptorWatch(loop: loop, descriptor: first.reader) {
                watch?.close()
                watch = nil
                close(first.reader)
                second = try? makePipe()
                guard let second else { return loop.stop() }
                later = DescriptorWatch(loop: loop, descriptor: second.reader) {
                    calls += 1
                    loop.stop()
                }
                later?.interest = .read
                writeByte(second.writer)
            }
            watch?.interest = .read
            writeByte(first.writer)
            let timer = loop.schedule(after: .seconds(5)) { loop.stop() }
            loop.run()
            timer.cancel()
            #expect(second?.reader == first.reader && calls == 1)
            later?.close()
        }
    }
}

private func makePipe() throws -> (reader: Int32, writer: Int32) {
    var ends: [Int32] = [-1, -1]
    try #require(unsafe pipe(&ends) == 0)
    return (ends[0], ends[1])
}

private func writeByte(_ descriptor: Int32) {
    var byte: UInt8 = 1
    _ = unsafe write(descriptor, &byte, 1)
}
