// Connects to the first of several addresses that answers.

import Reactor

/// A connection attempt that failed, address by address.
struct ConnectError: Error, CustomStringConvertible {
    struct Attempt {
        let address: SocketAddress
        let error: SystemError
    }

    var attempts: [Attempt] = []

    var isOutOfDescriptors: Bool { attempts.contains { $0.error.isOutOfDescriptors } }

    var description: String {
        attempts.map { "could not connect to server at \($0.address): \($0.error)" }.joined(separator: "; ")
    }
}

/// Tries addresses in turn, each within a time; then calls once. Releasing it ends the attempt without a call.
final class ServerConnector: SocketOwner {
    typealias Completion = (Result<any StreamSocket, ConnectError>) -> Void

    /// How long a Unix socket whose queue is full (EAGAIN, no attempt is under way then) is left alone.
    private static let fullQueuePause = Duration.milliseconds(10)

    private let loop: any EventLoop
    private var addresses: ArraySlice<SocketAddress>
    private let timeout: Duration
    private let completion: Completion
    private var failure = ConnectError()
    private var socket: (any StreamSocket)?
    private var timer: (any ScheduledTimer)?
    private var attemptDeadline: MonotonicTime

    /// - Parameters:
    ///   - addresses: at least one.
    ///   - timeout: for each address.
    ///   - completion: takes over the socket. It may be called before `start` returns, but then with a success.
    init(loop: any EventLoop, addresses: [SocketAddress], timeout: Duration, _ completion: @escaping Completion) {
        precondition(!addresses.isEmpty)
        self.loop = loop
        self.addresses = addresses[...]
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
        socket?.close()
        socket = nil
    }

    func start() {
        tryNextAddress()
    }

    private func tryNextAddress() {
        guard !addresses.isEmpty else { return completion(.failure(failure)) }
        attemptDeadline = loop.now.advanced(by: timeout)
        attempt()
    }

    private func attempt() {
        guard let address = addresses.first else { return }
        do throws(SystemError) {
            let socket = try loop.connect(to: address)
            if socket.isConnected { return completion(.success(socket)) }
            socket.owner = self
            socket.interest = .write
            self.socket = socket
            timer = loop.schedule(after: attemptDeadline.since(loop.now)) { [unowned self] in
                failed(SystemError.timedOut)
            }
        } catch {
            if error.isTryAgain, loop.now < attemptDeadline {
                timer = loop.schedule(after: Self.fullQueuePause) { [unowned self] in attempt() }
            } else {
                // Never at once: who starts a row of connections would be called back from within, deeper and deeper.
                timer = loop.schedule(after: .zero) { [unowned self] in failed(error) }
            }
        }
    }

    private func failed(_ error: SystemError) {
        stop()
        if let address = addresses.popFirst() {
            failure.attempts.append(.init(address: address, error: error))
        }
        tryNextAddress()
    }

    func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        if let error = socket.takeError() { return failed(error) }
        timer?.cancel()
        timer = nil
        self.socket = nil
        completion(.success(socket))
    }
}
