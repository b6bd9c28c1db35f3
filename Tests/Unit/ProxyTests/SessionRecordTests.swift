// The record of sessions for a pgleash that is killed.

import Reactor
import Testing

@testable import Proxy

@Suite struct `A recorded session` {
    private let local = SocketAddress.ipv4(0x0a00_0007, port: 40_000)
    private let server = SocketAddress.ipv4(0x0a00_0001, port: 5432)

    @Test func `is read as it was written`() throws {
        let six = try #require(Endpoint(host: "fe80::1", port: 7).addressesOnHand.first)
        for (local, server) in [(local, server), (six, server), (six, six)] {
            let session = RecordedSession(processID: 4_194_304, local: local, server: server)
            #expect(RecordedSession(session.text) == session, "\(session.text)")
            #expect(session.text.utf8.count < SlotFile.lineLength)
        }
        #expect(RecordedSession(processID: 7, local: local, server: server).text == "7 10.0.0.7 40000 10.0.0.1 5432")
    }

    @Test(arguments: [
        "", "7", "7 10.0.0.7 40000 10.0.0.1", "7 10.0.0.7 40000 10.0.0.1 5432 1", "0 10.0.0.7 40000 10.0.0.1 5432",
        "-7 10.0.0.7 40000 10.0.0.1 5432", "7 10.0.0.7 0 10.0.0.1 5432", "7 10.0.0.7 40000 10.0.0.1 65536",
        "7 host 40000 10.0.0.1 5432", "7 /tmp 40000 10.0.0.1 5432",
    ]) func `is not made of other texts`(text: String) {
        #expect(RecordedSession(text) == nil)
    }
}
