// Messages from any thread to one event loop, delivered in the order they were posted.

/// A queue that wakes its loop when it gets its first message.
package final class Mailbox<Message: Sendable>: Sendable {
    private struct Contents {
        var messages: [Message] = []
        var wakeup: (any Wakeup)?
    }

    private let contents = Locked(Contents())

    package init() {}

    /// Begins delivery on `loop`: each message is handed to `receive` on the loop's thread. Messages posted before are
    /// delivered first. Called once, on the loop's thread.
    package func open(on loop: some EventLoop, _ receive: @escaping (Message) -> Void) throws(SystemError) {
        let wakeup = try loop.makeWakeup { [unowned self] in
            for message in takeAll() { receive(message) }
        }
        let isWaiting = contents.withLock { contents in
            contents.wakeup = wakeup
            return !contents.messages.isEmpty
        }
        if isWaiting { wakeup.wake() }
    }

    /// Adds a message; from any thread.
    package func post(_ message: sending Message) {
        let wakeup = contents.withLock { contents in
            contents.messages.append(message)
            // For later messages the loop is awake already.
            return contents.messages.count == 1 ? contents.wakeup : nil
        }
        wakeup?.wake()
    }

    private func takeAll() -> [Message] {
        contents.withLock { contents in
            let messages = contents.messages
            contents.messages = []
            return messages
        }
    }
}
