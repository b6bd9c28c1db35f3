// A connection attempt to the first of several addresses that answers, with TLS where it is configured.

import Reactor

/// The failures of a connection attempt, by address.
package struct ConnectError: Error, CustomStringConvertible {
    enum Cause {
        case system(SystemError)
        /// The connection could not be encrypted as required.
        case insecure(String)
    }

    var attempts: [(address: SocketAddress, cause: Cause)] = []

    package var isOutOfDescriptors: Bool {
        attempts.contains { if case .system(let error) = $0.cause { error.isOutOfDescriptors } else { false } }
    }

    /// At least one server accepted a connection that could not be encrypted as required.
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

/// Tries addresses in turn, each for a limited time, and calls the completion once. Releasing the object ends the
/// attempt without a call.
package final class ServerConnector: SocketOwner {
    package typealias Completion = (Result<any StreamSocket, ConnectError>) -> Void

    /// The pause after the queue of a Unix socket was full (EAGAIN; no attempt is under way then).
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
    /// Encryption failed at the first address, is not required, and is not tried in the second attempt.
    private var isSecondTry = false
    /// The reason why the connection is not encrypted although the server supports TLS.
    package private(set) var reasonForPlainText: String?

    /// The address that is being dialled; after a success, that of the connection.
    package var address: HostAddress? { addresses.first }

    /// - Parameters:
    ///   - addresses: at least one.
    ///   - timeout: for each address, TLS included.
    ///   - completion: takes over the socket. It can be called before `start` returns, but only with a success.
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

    /// Ends the attempt without a call.
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
                // Not called directly, as a caller that starts many connections would be called back recursively.
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
    /// The connection is established; encrypts it where this is configured.
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
        // The handshake's own code is running: it must outlive this call.
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
