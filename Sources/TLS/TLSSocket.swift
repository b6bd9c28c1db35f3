// A socket with encrypted bytes. Its owner uses it like a plain one.

import COpenSSL
import Reactor

/// TLS over another socket. OpenSSL reads and writes the descriptor itself, so that the kernel can take over the
/// encryption where it supports this.
@safe package final class TLSSocket: StreamSocket {
    /// Called once, with the reason why the handshake failed, or nil.
    package typealias Completion = (TLSError?) -> Void

    let connection: OpaquePointer
    /// The host name of the peer.
    let peerName: String
    let transport: any StreamSocket
    let loop: any EventLoop
    private unowned(unsafe) var unretainedOwner: (any SocketOwner)?
    /// The completion of the handshake, until it has ended.
    var completion: Completion?
    private var watchedFor: Interest = []
    /// OpenSSL must send a message of its own, such as the answer to a new key, before it receives more.
    private var mustSendFirst = false
    /// OpenSSL holds received bytes that the last receive did not request. The kernel does not report them.
    var hasMore = false
    /// Reports these bytes to the owner.
    var timer: (any ScheduledTimer)?
    package private(set) var encryptionFailure: String?
    /// The end of the peer's stream: OpenSSL may not report it a second time.
    private var ending: Received?
    var isClosed = false
    /// The number of steps for TLS messages of the peer, such as new keys. A record of data subtracts one step only, so
    /// that single bytes between many such messages do not help.
    private var stepCount = 0
    /// A regular peer causes far fewer steps. A peer that causes more would occupy the thread.
    static let mostSteps = 5000
    private var isCutOff = false
    /// Other sockets have their turn after this number of records, however small these are.
    static let mostRecords = 64

    /// - Parameter transport: a connected socket, which the new socket takes over.
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
    package var localAddress: SocketAddress? { transport.localAddress }
    package var attempts: Attempts? { transport.attempts }
    package var hasPeerEnded: Bool { transport.hasPeerEnded }
    package var encryptedPeerName: String? { peerName }

    package func setPace(_ pace: AttemptPace) -> Bool { transport.setPace(pace) }

    package func takeError() -> SystemError? { transport.takeError() }

    package func receive(into buffer: ReceiveBuffer, limit: Int) -> Received {
        hasMore = false
        if let ending { return ending }
        // OpenSSL keeps the number of the descriptor, which can be another connection's after the close.
        guard !isClosed else { return .failed(.badDescriptor) }
        var outcome = Received.wouldBlock
        let count = buffer.fill { bytes in
            unsafe bytes.withUnsafeMutableBufferPointer { bytes in
                unsafe decrypt(into: bytes, limit: min(limit, bytes.count), &outcome)
            }
        }
        if outcome != .wouldBlock { ending = outcome }
        guard count > 0 else { return outcome }
        // The next receive returns the end of the stream.
        if ending != nil { hasMore = true }
        scheduleBufferedRead()
        return .bytes(count)
    }

    /// Decrypts record after record, until there is no complete one, no space, or enough for one turn.
    ///
    /// - Returns: the number of bytes; `outcome` is the reason why there are no more.
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
            // Another system call would most often find nothing.
            if unsafe SSL_has_pending(connection) == 0 { return count }
        }
        hasMore = true
        return count
    }

    /// OpenSSL's info callback: a connection has processed a message that is not data.
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

    /// When bytes are not sent, OpenSSL may have encrypted the first of them already: the caller must pass the same
    /// bytes again, at least as many, before any others.
    package func send(_ bytes: Span<UInt8>) -> Sent {
        guard !isClosed else { return .failed(.badDescriptor) }
        forgetOldErrors()
        return unsafe bytes.withUnsafeBufferPointer { bytes in
            var count = 0
            // One record per call.
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

    /// - Returns: nil when the rest can be sent later.
    private func sendFailure(_ result: Int32) -> SystemError? {
        let systemError = SystemError.last
        switch unsafe SSL_get_error(connection, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return nil
        // errno is 0 where OpenSSL refuses to send after an error of its own.
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

    /// Sends a close_notify if this is possible at once. OpenSSL takes a second call for a wait for the peer's.
    private func sendCloseNotify() {
        guard !isClosed, isHandshakeComplete else { return }
        guard unsafe SSL_get_shutdown(connection) & SSL_SENT_SHUTDOWN == 0 else { return }
        unsafe SSL_shutdown(connection)
    }
}

extension TLSSocket: SocketOwner {
    package func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        // The owner may be released during this call.
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
        // The next receive tries again.
        let wasAskedFor = watchedFor.contains(.write) ? readiness : readiness.subtracting(.writable)
        let all = watchedFor.contains(.read) ? wasAskedFor.union(.readable) : wasAskedFor
        if !all.isEmpty { owner?.socket(self, became: all) }
    }

    /// Watches the transport for the owner's interest, as far as OpenSSL can serve it.
    func watch() {
        transport.interest = mustSendFirst ? watchedFor.subtracting(.read).union(.write) : watchedFor
    }

    /// Reports bytes that OpenSSL holds to an owner that reads, as the kernel would, after all other sockets that are
    /// ready.
    private func scheduleBufferedRead() {
        guard hasMore, watchedFor.contains(.read), timer == nil else { return }
        timer = loop.schedule(after: .zero) { [unowned self] in
            timer = nil
            guard hasMore, watchedFor.contains(.read) else { return }
            withExtendedLifetime((self, owner)) { owner?.socket(self, became: .readable) ?? () }
        }
    }
}
