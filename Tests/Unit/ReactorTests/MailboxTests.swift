// Delivery of messages from other threads: once, in order, and on the loop's thread.

import Glibc
import Reactor
import TestSupport
import Testing

extension RealLoop {
    @Suite struct `A mailbox` {
        private struct Message: Sendable {
            let sender: Int
            let number: Int
        }

        @Test func `delivers in the order of posting, also what came before it was opened`() throws {
            try withLoop { loop in
                let mailbox = Mailbox<Int>()
                for number in 0..<3 { mailbox.post(number) }
                let received = Box<[Int]>([])
                try mailbox.open(on: loop) { number in
                    received.value.append(number)
                    if number == 5 { loop.stop() }
                }
                for number in 3..<6 { mailbox.post(number) }
                loop.runUntilStopped()
                #expect(received.value == [0, 1, 2, 3, 4, 5])
            }
        }

        @Test func `delivers on the loop's thread what came before it was opened`() throws {
            try withLoop { loop in
                let mailbox = Mailbox<Int>()
                mailbox.post(7)
                let received = Box<[Int]>([])
                try mailbox.open(on: loop) { number in
                    received.value.append(number)
                    loop.stop()
                }
                #expect(received.value.isEmpty)
                loop.runUntilStopped()
                #expect(received.value == [7])
            }
        }

        @Test func `takes messages while it delivers`() throws {
            try withLoop { loop in
                let mailbox = Mailbox<Int>()
                let received = Box<[Int]>([])
                try mailbox.open(on: loop) { number in
                    received.value.append(number)
                    if number < 20 { mailbox.post(number + 1) } else { loop.stop() }
                }
                mailbox.post(0)
                loop.runUntilStopped()
                #expect(received.value == Array(0...20))
            }
        }

        @Test func `loses nothing of several threads and keeps the order of each`() throws {
            let (senders, count) = (4, 5_000)
            try withLoop { loop in
                let mailbox = Mailbox<Message>()
                let loopThread = pthread_self()
                let expected = Box([Int](repeating: 0, count: senders))
                let (wrong, left) = (Box(0), Box(senders * count))
                try mailbox.open(on: loop) { message in
                    if message.number != expected.value[message.sender] { wrong.value += 1 }
                    if pthread_equal(pthread_self(), loopThread) == 0 { wrong.value += 1 }
                    expected.value[message.sender] = message.number + 1
                    left.value -= 1
                    if left.value == 0 { loop.stop() }
                }
                for sender in 0..<senders {
                    try startThread(named: "sender") {
                        for number in 0..<count { mailbox.post(Message(sender: sender, number: number)) }
                    }
                }
                loop.runUntilStopped()
                #expect(left.value == 0)
                #expect(wrong.value == 0)
            }
        }
    }
}
