// Where the bytes of a loop's sockets arrive.

/// The bytes every receive of a loop goes into; one for all its sockets, as each is dealt with before the next.
@safe package final class ReceiveBuffer {
    @usableFromInline let storage: UnsafeMutableBufferPointer<UInt8>

    /// - Parameter size: in bytes, more than 0.
    package init(size: Int) {
        precondition(size > 0)
        unsafe storage = .allocate(capacity: size)
        unsafe storage.initialize(repeating: 0)
    }

    deinit {
        unsafe storage.deallocate()
    }

    @inlinable package var size: Int { unsafe storage.count }

    /// Lends the first `count` bytes, those that were just received. Nothing may be received meanwhile.
    @inlinable
    package func withReceived<Result, Failure: Error>(
        _ count: Int,
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(unsafe Span(_unsafeElements: storage).extracting(0..<count))
    }

    /// Lets `fill` write to the storage, as a receive does.
    @inlinable
    package func fill<Result>(_ fill: (inout MutableSpan<UInt8>) -> Result) -> Result {
        var span = unsafe MutableSpan(_unsafeElements: storage)
        return fill(&span)
    }
}
