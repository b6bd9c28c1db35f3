// Connects to the first of several addresses that answers, and encrypts the connection where that is asked for.

import Reactor

/// A connection attempt that failed, address by address.
package struct ConnectError: Error, CustomStringConvertible {
    enum Cause {
        case system(SystemError)
        /// There was a connection, but it could not be encrypted as it has to be.
        case insecure(String)
    }

    var attempts: [(address: SocketAddress, cause: Cause)] = []

    package var isOutOfDescriptors: Bool {
        attempts.contains { if case .system(let error) = $0.cause { error.isOutOfDescriptors } else { false } }
    }

    /// At least one server was there and could not be trusted.
    var isInsecure: Bool {
        attempts.contains { if case .insecure = $0.cause { true } else { false } }
    }

    package var description: String {
        attempts.map { address, cause in
            switch cause {
            case .system(let error): "could not connect to server at \(address): \(error)"
            case .insecure(let reason): "connection to server at \(address) failed: \(reason)"
            }
        }.joined(separator: "; ")
    }
}

/// Tries addresses in turn, each within a time; then calls once. Releasing it ends the attempt without a call.
package final class ServerConnector: SocketOwner {
    package typealias Completion = (Result<any StreamSocket, ConnectError>) -> Void

    /// How long a Unix socket whose queue is full (EAGAIN, no attempt is under way then) is left alone.
    private static let fullQueuePause = Duration.milliseconds(10)

    private let loop: any EventLoop
    private var addresses: ArraySlice<HostAddress>
    private let security: ServerSecurity
    private let protection: Protection
    private let timeout: Duration
    private let completion: Completion
    private var failure = ConnectError()
    private var socket: (any StreamSocket)?
    private var handshake: ServerHandshake?
    private var timer: (any ScheduledTimer)?
    private var attemptDeadline: MonotonicTime
    /// The first address failed to encrypt where it need not, and is tried once more without.
    private var isSecondTry = false
    /// Why a connection that could have been encrypted is a plain one all the same; not where the server has no TLS.
    package private(set) var reasonForPlainText: String?

    /// The address that is dialled; after a success, the one that was.
    package var address: HostAddress? { addresses.first }

    /// - Parameters:
    ///   - addresses: at least one.
    ///   - timeout: for each address, and all that has to be agreed on there.
    ///   - completion: takes over the socket. It may be called before `start` returns, but then with a success.
    package init(
        loop: any EventLoop,
        addresses: [HostAddress],
        security: ServerSecurity,
        protection: Protection = .asConfigured,
        timeout: Duration,
        _ completion: @escaping Completion
    ) {
        precondition(!addresses.isEmpty)
        self.loop = loop
        self.addresses = addresses[...]
        self.security = security
        self.protection = protection
        self.timeout = timeout
        self.completion = completion
        attemptDeadline = loop.now
    }

    deinit {
        stop()
    }

    /// Gives up without a call.
    func stop() {
        timer?.cancel()
        timer = nil
        handshake = nil
        socket?.close()
        socket = nil
    }

    package func start() {
        tryNextAddress()
    }

    private func tryNextAddress() {
        guard !addresses.isEmpty else { return completion(.failure(failure)) }
        attemptDeadline = loop.now.advanced(by: timeout)
        isSecondTry = false
        reasonForPlainText = nil
        attempt()
    }

    private func attempt() {
        guard let address = addresses.first?.address else { return }
        do throws(SystemError) {
            let socket = try loop.connect(to: address)
            if socket.isConnected { return opened(socket) }
            socket.owner = self
            socket.interest = .write
            self.socket = socket
            armTimer()
        } catch {
            if error.isTryAgain, loop.now < attemptDeadline {
                timer = loop.schedule(after: Self.fullQueuePause) { [unowned self] in attempt() }
            } else {
                // Never at once: who starts a row of connections would be called back from within, deeper and deeper.
                timer = loop.schedule(after: .zero) { [unowned self] in failed(.system(error)) }
            }
        }
    }

    private func armTimer() {
        timer = loop.schedule(after: attemptDeadline.since(loop.now)) { [unowned self] in failed(.system(.timedOut)) }
    }

    private func failed(_ cause: ConnectError.Cause) {
        stop()
        if let address = addresses.popFirst() { failure.attempts.append((address.address, cause)) }
        tryNextAddress()
    }

    package func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        if let error = socket.takeError() { return failed(.system(error)) }
        opened(socket)
    }

    private func succeeded(_ socket: any StreamSocket) {
        timer?.cancel()
        timer = nil
        completion(.success(socket))
    }
}

// MARK: - Encryption

extension ServerConnector {
    /// The connection stands, and is encrypted if that is how it has to be.
    private func opened(_ socket: any StreamSocket) {
        guard let address = addresses.first else { return }
        self.socket = nil
        switch security.plan(isSecondTry ? .plain : protection, for: address.address) {
        case .plain: succeeded(socket)
        case .encrypt: encrypt(socket, address.host, isRequired: true)
        case .tryToEncrypt: encrypt(socket, address.host, isRequired: false)
        }
    }

    private func encrypt(_ socket: any StreamSocket, _ host: String, isRequired: Bool) {
        socket.interest = []
        if timer == nil { armTimer() }
        let handshake = ServerHandshake(loop: loop, socket: socket, host: host, security: security) {
            [unowned self] in concluded($0, isRequired)
        }
        self.handshake = handshake
        handshake.start()
    }

    private func concluded(_ outcome: ServerHandshake.Outcome, _ isRequired: Bool) {
        // Still running the handshake's own code: it must outlive this call.
        let finished = handshake
        handshake = nil
        withExtendedLifetime(finished) {
            switch outcome {
            case .encrypted(let socket): succeeded(socket)
            case .refused(let socket) where !isRequired: succeeded(socket)
            case .refused(let socket):
                socket.close()
                failed(.insecure("server does not support SSL, but SSL was required"))
            case .failed(let reason) where isRequired: failed(.insecure(reason))
            case .failed(let reason):
                isSecondTry = true
                reasonForPlainText = reason
                timer?.cancel()
                timer = nil
                attempt()
            }
        }
    }
}
