// A client that requests a renegotiation: with TLS 1.2 it costs the server a signature each time, and is refused.

import Foundation
import Glibc
import Reactor
import TLS
import TestSupport
import Testing

extension OverTLS {
    @Suite struct `Renegotiation` {
        @Test func `is refused`() throws {
            try withLoop { loop in
                let server = try makeServer()
                let (input, output) = (Pipe(), Pipe())
                var talker: Talker?
                var hasAsked = false
                let listener = try Listener(loop: loop, address: .ipv4(0x7f00_0001, port: 0)) { accepted in
                    guard case .success(let client) = accepted else { return }
                    guard let socket = try? server.accept(over: loop.adopt(client), loop: loop) else { return }
                    socket.handshake { error in
                        #expect(error == nil)
                        talker = Talker(socket, on: loop)
                        // s_client treats `R` as a command if it is all that it reads at once, without the line before.
                        talker?.behind = {
                            if talker?.end != nil { loop.stop() }
                            guard !hasAsked, talker?.received.last == UInt8(ascii: "\n") else { return }
                            hasAsked = true
                            try? input.fileHandleForWriting.write(contentsOf: Array("R\n".utf8))
                        }
                    }
                }
                listener.resume()
                let client = Process()
                client.executableURL = URL(filePath: "/usr/bin/env")
                client.arguments = ["openssl", "s_client", "-tls1_2", "-connect", "\(listener.address)"]
                (client.standardInput, client.standardOutput, client.standardError) = (input, output, output)
                try client.run()
                try input.fileHandleForWriting.write(contentsOf: Array("before\n".utf8))
                loop.run(for: .seconds(10))
                try input.fileHandleForWriting.close()
                client.waitUntilExit()
                let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
                #expect(text.contains("RENEGOTIATING") && text.contains("no renegotiation"))
                #expect(talker?.received == Array("before\n".utf8))
                #expect(talker?.end != nil)
            }
        }
    }
}
