// The one line about many sessions that the server ended.

import Testing

@testable import Proxy

@Suite struct `Sessions that the server ends` {
    @Test func `leave one line when they are many`() throws {
        let closings = ServerClosings()
        let first = (0..<500).map { closings.note(["pid": "\($0)", "server": "10.0.0.5:5432"]) }
        #expect(first == (0..<500).map { $0 == 0 })
        let (message, metadata) = try #require(closings.take())
        #expect(message == "server closed sessions")
        #expect(metadata.mapValues { "\($0)" } == ["sessions": "500", "server": "10.0.0.5:5432"])
        #expect(closings.take() == nil)
    }

    @Test func `are named when it is one`() throws {
        let closings = ServerClosings()
        #expect(closings.note(["pid": "1"]))
        let (message, metadata) = try #require(closings.take())
        #expect(message == "server closed the session")
        #expect(metadata == ["pid": "1"])
        #expect(closings.note(["pid": "2"]), "the next one is the first again")
    }
}
