// The bytes that a destination has not taken yet, in order.

/// A queue of bytes in chunks, so that a long one grows and shrinks without being copied as a whole.
///
/// ```
///      chunks[0]               chunks[1]            chunks[2]
///     ├─ gone ─┼── first ────┤├──────────────────┤├──────── … room ┤
///              start
/// ```
///
/// A class, so that the many buffers that hold nothing have no storage for one.
final class Backlog {
    /// The size of a chunk to which bytes are appended. At most one such chunk has unused space.
    static let chunkSize = 64 * 1024

    private var chunks: [[UInt8]] = []
    /// The number of bytes of the first chunk that are gone.
    private var start = 0
    private(set) var count = 0

    /// Begins with the bytes that a short send left.
    init(_ bytes: Span<UInt8> = Span()) { if !bytes.isEmpty { append(bytes) } }

    var isEmpty: Bool { count == 0 }

    /// Adds bytes that arrive while others are left.
    func append(_ bytes: Span<UInt8>) {
        count += bytes.count
        guard let last = chunks.indices.last else { return chunks.append(bytes.copied()) }
        let fitting = min(max(Self.chunkSize - chunks[last].count, 0), bytes.count)
        if fitting > 0 {
            chunks[last].reserveCapacity(Self.chunkSize)
            chunks[last] += bytes.extracting(0..<fitting).copied()
        }
        if fitting < bytes.count { chunks.append(bytes.extracting(fitting..<bytes.count).copied()) }
    }

    /// Lends the next bytes to send: not all, but at least one if there are any.
    func withFirst<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        guard let first = chunks.first else { return body(Span()) }
        return body(first.span.extracting(start..<first.count))
    }

    /// The first `taken` bytes are sent; no more than `withFirst` has lent.
    ///
    /// - Returns: these bytes.
    @discardableResult func removeFirst(_ taken: Int) -> ArraySlice<UInt8> {
        guard let first = chunks.first else { return [] }
        let gone = first[start..<start + taken]
        start += taken
        count -= taken
        guard start == first.count else { return gone }
        start = 0
        chunks.removeFirst()
        return gone
    }
}
