// The receive buffer of a loop's sockets. It is public, as everything that is inlined into other modules.

/// The buffer for each receive of a loop. One serves all sockets, as each is handled before the next.
@safe public final class ReceiveBuffer {
    @usableFromInline let storage: UnsafeMutableBufferPointer<UInt8>

    /// - Parameter size: the size in bytes, more than 0.
    package init(size: Int) {
        precondition(size > 0)
        unsafe storage = .allocate(capacity: size)
        unsafe storage.initialize(repeating: 0)
    }

    deinit {
        unsafe storage.deallocate()
    }

    /// The size in bytes.
    @inlinable public var size: Int { unsafe storage.count }

    /// Lends the first `count` bytes, which were just received. No receive may take place meanwhile.
    @inlinable
    public func withReceived<Result, Failure: Error>(
        _ count: Int,
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(unsafe Span(_unsafeElements: storage).extracting(0..<count))
    }

    /// Lends the storage to `fill`, which writes to it as a receive does.
    @inlinable
    public func fill<Result>(_ fill: (inout MutableSpan<UInt8>) -> Result) -> Result {
        var span = unsafe MutableSpan(_unsafeElements: storage)
        return fill(&span)
    }
}
