// A socket whose bytes are encrypted on their way: the same as a plain one to who uses it.

import COpenSSL
import Reactor

/// TLS over another socket, whose descriptor OpenSSL reads and writes by itself, so that the kernel can take over the
/// encryption where it offers to.
@safe package final class TLSSocket: StreamSocket {
    /// Called once: with why no agreement was reached, or nil.
    package typealias Completion = (TLSError?) -> Void

    let connection: OpaquePointer
    /// The name the peer was found by.
    let peerName: String
    let transport: any StreamSocket
    let loop: any EventLoop
    private unowned(unsafe) var unretainedOwner: (any SocketOwner)?
    /// Of the handshake, until it has ended.
    var completion: Completion?
    private var watchedFor: Interest = []
    /// OpenSSL receives nothing more before it has sent something of its own, such as the answer to a new key.
    private var mustSendFirst = false
    /// OpenSSL holds received bytes that the last receive did not ask for; the kernel will not tell of them.
    var hasMore = false
    /// Tells the owner of those.
    var timer: (any ScheduledTimer)?
    package private(set) var encryptionFailure: String?
    /// What ended the peer's stream: OpenSSL, asked again, may not know it any more.
    private var ending: Received?
    var isClosed = false
    /// Steps taken for what the peer's TLS has said to ours, such as new keys. A record of data makes one of them good,
    /// not all: a byte here and there is no conversation.
    private var stepCount = 0
    /// No peer of good will causes so many; one that goes on and on would have the thread for itself.
    static let mostSteps = 5000
    private var isCutOff = false
    /// Others have their turn behind so many records, however small they are.
    static let mostRecords = 64

    /// - Parameter transport: connected; taken over.
    init(
        _ context: TLSContext, over transport: any StreamSocket, peerName: String, loop: any EventLoop
    ) throws(TLSError) {
        guard let made = unsafe SSL_new(context.context) else { throw .taken(orElse: "out of memory") }
        unsafe connection = made
        unsafe unretainedOwner = nil
        self.peerName = peerName
        self.transport = transport
        self.loop = loop
        guard unsafe SSL_set_fd(connection, transport.descriptor) == 1 else { throw .taken(orElse: "out of memory") }
        unsafe SSL_set_ex_data(connection, 0, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit {
        close()
        unsafe SSL_free(connection)
    }

    package var owner: (any SocketOwner)? {
        get { unsafe unretainedOwner }
        set { unsafe unretainedOwner = newValue }
    }

    package var interest: Interest {
        get { watchedFor }
        set {
            watchedFor = newValue
            guard completion == nil, !isClosed else { return }
            watch()
            scheduleBufferedRead()
        }
    }

    package var descriptor: Int32 { transport.descriptor }
    package var peerAddress: SocketAddress? { transport.peerAddress }
    package var attempts: Attempts? { transport.attempts }
    package var hasPeerEnded: Bool { transport.hasPeerEnded }
    package var encryptedPeerName: String? { peerName }

    package func setPace(_ pace: AttemptPace) -> Bool { transport.setPace(pace) }

    package func takeError() -> SystemError? { transport.takeError() }

    package func receive(into buffer: ReceiveBuffer, limit: Int) -> Received {
        hasMore = false
        if let ending { return ending }
        // OpenSSL knows the descriptor, whose number may be another connection's by now.
        guard !isClosed else { return .failed(.badDescriptor) }
        var outcome = Received.wouldBlock
        let count = buffer.fill { bytes in
            unsafe bytes.withUnsafeMutableBufferPointer { bytes in
                unsafe decrypt(into: bytes, limit: min(limit, bytes.count), &outcome)
            }
        }
        if outcome != .wouldBlock { ending = outcome }
        guard count > 0 else { return outcome }
        // What ended the bytes is for the next receive.
        if ending != nil { hasMore = true }
        scheduleBufferedRead()
        return .bytes(count)
    }

    /// Takes record after record, until there is no whole one left, no room, or enough for one turn.
    ///
    /// - Returns: how many bytes; `outcome` is why there are no more.
    private func decrypt(
        into bytes: UnsafeMutableBufferPointer<UInt8>, limit: Int, _ outcome: inout Received
    ) -> Int {
        forgetOldErrors()
        var (count, recordCount) = (0, 0)
        while count < limit, recordCount < Self.mostRecords {
            let result = unsafe SSL_read(connection, bytes.baseAddress?.advanced(by: count), Int32(limit - count))
            guard result > 0 else {
                outcome = received(result)
                return count
            }
            count += Int(result)
            recordCount += 1
            stepCount = max(0, stepCount - 1)
            // To ask the kernel once more would most often be in vain.
            if unsafe SSL_has_pending(connection) == 0 { return count }
        }
        hasMore = true
        return count
    }

    /// OpenSSL's info callback: a connection has come to a message that is not data.
    static let noteStep: @convention(c) (OpaquePointer?, Int32, Int32) -> Void = { connection, place, _ in
        guard place & SSL_CB_LOOP != 0, let pointer = unsafe SSL_get_ex_data(connection, 0) else { return }
        let socket = unsafe Unmanaged<TLSSocket>.fromOpaque(pointer).takeUnretainedValue()
        socket.stepCount += 1
        guard socket.stepCount > TLSSocket.mostSteps else { return }
        socket.isCutOff = true
        unsafe pgleash_SSL_cut_off(connection)
    }

    private func received(_ result: Int32) -> Received {
        let systemError = SystemError.last
        switch unsafe SSL_get_error(connection, result) {
        case SSL_ERROR_WANT_READ: return .wouldBlock
        case SSL_ERROR_WANT_WRITE:
            mustSendFirst = true
            watch()
            return .wouldBlock
        case SSL_ERROR_ZERO_RETURN: return .endOfStream
        case SSL_ERROR_SYSCALL where !isCutOff: return .failed(systemError)
        default:
            encryptionFailure = "SSL error: \(TLSError.taken(orElse: "unknown error"))"
            return .failed(.protocolError)
        }
    }

    /// Of bytes that are not taken, the beginning may have been encrypted already: they have to be offered again, at
    /// least as many of them, before any others.
    package func send(_ bytes: Span<UInt8>) -> Sent {
        guard !isClosed else { return .failed(.badDescriptor) }
        forgetOldErrors()
        return unsafe bytes.withUnsafeBufferPointer { bytes in
            var count = 0
            // A record at a time.
            while count < bytes.count {
                let rest = Int32(clamping: bytes.count - count)
                let result = unsafe SSL_write(connection, bytes.baseAddress?.advanced(by: count), rest)
                guard result > 0 else {
                    let error = sendFailure(result)
                    return count == 0 ? error.map { .failed($0) } ?? .bytes(0) : .bytes(count)
                }
                count += Int(result)
            }
            return .bytes(count)
        }
    }

    /// - Returns: nil when the rest can go later.
    private func sendFailure(_ result: Int32) -> SystemError? {
        let systemError = SystemError.last
        switch unsafe SSL_get_error(connection, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return nil
        // The system has nothing against it where OpenSSL takes no more behind an error of its own.
        case SSL_ERROR_SYSCALL where systemError.code != 0: return systemError
        default: return .protocolError
        }
    }

    package func shutdownSending() {
        sendCloseNotify()
        transport.shutdownSending()
    }

    package func close() {
        guard !isClosed else { return }
        sendCloseNotify()
        isClosed = true
        timer?.cancel()
        hasMore = false
        completion = nil
        transport.close()
    }

    /// Tells the peer that nothing more comes, if that is possible at once. Said again, it would mean that nothing more
    /// is to come from the peer either.
    private func sendCloseNotify() {
        guard !isClosed, isHandshakeComplete else { return }
        guard unsafe SSL_get_shutdown(connection) & SSL_SENT_SHUTDOWN == 0 else { return }
        unsafe SSL_shutdown(connection)
    }
}

extension TLSSocket: SocketOwner {
    package func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        // The owner may end with this very call.
        withExtendedLifetime((self, owner)) {
            guard completion != nil else { return tell(readiness) }
            let error = continueHandshake()
            if error != nil || isHandshakeComplete { finish(error) }
        }
    }

    private func tell(_ readiness: Readiness) {
        guard mustSendFirst else { return owner?.socket(self, became: readiness) ?? () }
        mustSendFirst = false
        watch()
        // The next receive tries once more.
        let wasAskedFor = watchedFor.contains(.write) ? readiness : readiness.subtracting(.writable)
        let all = watchedFor.contains(.read) ? wasAskedFor.union(.readable) : wasAskedFor
        if !all.isEmpty { owner?.socket(self, became: all) }
    }

    /// Watches the transport for what the owner is to be told of, as far as OpenSSL can do it.
    func watch() {
        transport.interest = mustSendFirst ? watchedFor.subtracting(.read).union(.write) : watchedFor
    }

    /// Does what the kernel would do for bytes it holds: tells an owner that reads, behind all others whose turn it is.
    private func scheduleBufferedRead() {
        guard hasMore, watchedFor.contains(.read), timer == nil else { return }
        timer = loop.schedule(after: .zero) { [unowned self] in
            timer = nil
            guard hasMore, watchedFor.contains(.read) else { return }
            withExtendedLifetime((self, owner)) { owner?.socket(self, became: .readable) ?? () }
        }
    }
}
