// The resolution of names on a separate thread, so that a slow name server does not block a loop.

/// Resolves one list of endpoints, again at each request, as an address can change.
package final class NameResolver: Sendable {
    package typealias Answer = Result<[HostAddress], ResolutionError>
    private typealias Asker = @Sendable (Answer) -> Void

    private struct State {
        var askers: [Asker] = []
        var isWorking = false
    }

    private let endpoints: [Endpoint]
    private let state = Locked(State())

    package init(_ endpoints: [Endpoint]) {
        self.endpoints = endpoints
    }

    /// Calls `answer`, on another thread, with the addresses of all endpoints in their order, without those that cannot
    /// be resolved; with the first failure when none can. A request during a look-up waits for the next one, together
    /// with all other such requests.
    package func resolve(_ answer: @escaping @Sendable (Answer) -> Void) {
        let mustStart = state.withLock { state in
            state.askers.append(answer)
            defer { state.isWorking = true }
            return !state.isWorking
        }
        guard mustStart else { return }
        do throws(SystemError) {
            try startThread(named: "resolver") { [self] in work() }
        } catch {
            let failure = ResolutionError(host: endpoints.first?.host ?? "", reason: "\(error)")
            while let askers = finishRound() { askers.forEach { $0(.failure(failure)) } }
        }
    }

    private func work() {
        while let askers = finishRound() {
            let answer = lookUp()
            askers.forEach { $0(answer) }
        }
    }

    /// The requests of the next round, or nil, which ends the thread, when there are none.
    private func finishRound() -> [Asker]? {
        state.withLock { state in
            let askers = state.askers
            state.askers = []
            state.isWorking = !askers.isEmpty
            return askers.isEmpty ? nil : askers
        }
    }

    private func lookUp() -> Answer {
        var addresses: [HostAddress] = []
        var firstFailure: ResolutionError?
        for endpoint in endpoints {
            do throws(ResolutionError) {
                addresses += try endpoint.resolveWithHost()
            } catch {
                firstFailure = firstFailure ?? error
            }
        }
        if addresses.isEmpty, let firstFailure { return .failure(firstFailure) }
        return .success(addresses)
    }
}
