// Letters from any thread to one event loop, delivered in the order they were posted.

/// A queue that wakes its loop when it gets its first letter.
package final class Mailbox<Letter: Sendable>: Sendable {
    private struct Contents {
        var letters: [Letter] = []
        var wakeup: (any Wakeup)?
    }

    private let contents = Locked(Contents())

    package init() {}

    /// Begins delivery on `loop`: each letter is handed to `receive` on the loop's thread. Letters posted before are
    /// delivered first. Called once, on the loop's thread.
    package func open(on loop: some EventLoop, _ receive: @escaping (Letter) -> Void) throws(SystemError) {
        let wakeup = try loop.makeWakeup { [unowned self] in
            for letter in takeAll() { receive(letter) }
        }
        let isWaiting = contents.withLock { contents in
            contents.wakeup = wakeup
            return !contents.letters.isEmpty
        }
        if isWaiting { wakeup.wake() }
    }

    /// Adds a letter; from any thread.
    package func post(_ letter: sending Letter) {
        let wakeup = contents.withLock { contents in
            contents.letters.append(letter)
            // The others find the loop already on its way.
            return contents.letters.count == 1 ? contents.wakeup : nil
        }
        wakeup?.wake()
    }

    private func takeAll() -> [Letter] {
        contents.withLock { contents in
            let letters = contents.letters
            contents.letters = []
            return letters
        }
    }
}
