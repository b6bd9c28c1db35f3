// Where the bytes of a loop's sockets arrive. Public, like all that is inlined into other modules.

/// The bytes every receive of a loop goes into; one for all its sockets, as each is dealt with before the next.
@safe public final class ReceiveBuffer {
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

    /// In bytes.
    @inlinable public var size: Int { unsafe storage.count }

    /// Lends the first `count` bytes, those that were just received. Nothing may be received meanwhile.
    @inlinable
    public func withReceived<Result, Failure: Error>(
        _ count: Int,
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(unsafe Span(_unsafeElements: storage).extracting(0..<count))
    }

    /// Lets `fill` write to the storage, as a receive does.
    @inlinable
    public func fill<Result>(_ fill: (inout MutableSpan<UInt8>) -> Result) -> Result {
        var span = unsafe MutableSpan(_unsafeElements: storage)
        return fill(&span)
    }
}
