// What a monitor adds to the means of the reaper.

extension Reaper {
    /// The means of a monitor.
    package struct Monitor: Hashable, Sendable {
        /// It is connected when the reaping begins.
        let isConnected: Bool
        /// The time after the client's disconnect from which on a backend that was cancelled is ended; nil for never.
        let terminateAfter: Duration?

        package init(isConnected: Bool, terminateAfter: Duration? = nil) {
            (self.isConnected, self.terminateAfter) = (isConnected, terminateAfter)
        }
    }
}
