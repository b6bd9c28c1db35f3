// Key updates of TLS 1.3 between the data: a peer may change its keys any number of times.

import COpenSSL
import Reactor
import TestSupport
import Testing

@testable import TLS

extension OverTLS {
    @Suite struct `New keys` {
        /// Sends key updates that request an answer, or do not.
        private func sendKeys(_ socket: TLSSocket, _ count: Int, asks: Bool) {
            for _ in 0..<count {
                unsafe SSL_key_update(socket.connection, asks ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED)
                unsafe SSL_do_handshake(socket.connection)
            }
        }

        @Test(arguments: [1, 2, 100], [false, true])
        func `hide no bytes before or after them`(_ count: Int, _ asks: Bool) throws {
            try withLoop { loop in
                let pair = try TLSPair.agreed(on: loop)
                let (left, right) = (Talker(pair.client, on: loop), Talker(pair.server, on: loop))
                for round in 1...3 {
                    if round == 2 { left.send([0]) }
                    sendKeys(pair.client, count, asks: asks)
                    left.send([1, 2, 3])
                    sendKeys(pair.client, count, asks: asks)
                    let expected = round * 3 + (round > 1 ? 1 : 0)
                    #expect(loop.run(left, right) { right.received.count == expected })
                    right.send([4])
                    #expect(loop.run(left, right) { left.received.count == round })
                }
                loop.run(for: .milliseconds(10))
                #expect(loop.run(for: .milliseconds(100)) < idleProcessorTime)
            }
        }

        @Test func `without end, and without data, end the connection`() throws {
            try withLoop { loop in
                let pair = try TLSPair.agreed(on: loop)
                var (sent, answer) = (0, Received.wouldBlock)
                while answer == .wouldBlock, sent < 10 * TLSSocket.mostSteps {
                    sendKeys(pair.client, 10, asks: false)
                    sent += 10
                    answer = pair.server.receive(into: loop.receiveBuffer)
                }
                #expect(answer == .failed(.protocolError))
                #expect(sent > TLSSocket.mostSteps / 3 && sent <= TLSSocket.mostSteps + 10)
                #expect(pair.server.receive(into: loop.receiveBuffer) == .failed(.protocolError))
            }
        }

        @Test(arguments: [1, 10, 100])
        func `without end, and a byte here and there, end the connection`(_ each: Int) throws {
            try withLoop { loop in
                let pair = try TLSPair.agreed(on: loop)
                var (sent, answer) = (0, Received.bytes(1))
                while answer == .bytes(1), sent < 10 * TLSSocket.mostSteps {
                    sendKeys(pair.client, each, asks: false)
                    #expect(pair.client.send([1]) == .bytes(1))
                    sent += each
                    answer = pair.server.receive(into: loop.receiveBuffer)
                }
                #expect(answer == .failed(.protocolError))
            }
        }
    }
}
