// A watch of a descriptor that a library owns, reads and writes itself.

import CLibevent

/// Calls its body for each event of a descriptor. It must be closed before the library closes the descriptor.
package final class DescriptorWatch: EventSource {
    private let descriptor: Int32
    private let body: () -> Void

    /// The watched events: reading, writing, or both.
    package var interest: Interest = [] {
        didSet { if interest != oldValue { change(descriptor: descriptor, events: interest.events) } }
    }

    /// - Parameter body: called on the loop's thread while the descriptor is ready.
    package init(loop: LibeventLoop, descriptor: Int32, _ body: @escaping () -> Void) {
        (self.descriptor, self.body) = (descriptor, body)
        super.init(loop: loop, descriptor: descriptor, events: 0)
    }

    /// Stops watching. Releasing the object does not, while its body runs.
    package func close() { freeEvent() }

    override func fire(_ events: Int16) {
        body()
    }
}
