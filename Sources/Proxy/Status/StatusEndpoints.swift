// The HTTP endpoints: which path has which answer. Health, LiveSessions and StatusDocument have the contents.

import HTTP
import Reactor
import Telemetry

/// Answers requests on the loop of the endpoints.
final class StatusEndpoints {
    private let loop: any EventLoop
    private let events: Mailbox<StatusEvent>
    private let health: Health
    private let page = StatusPage()
    private var live: LiveSessions?

    /// - Parameter events: receives the answers of the workers.
    init(on loop: any EventLoop, _ state: ProcessState, _ events: Mailbox<StatusEvent>) {
        (self.loop, self.events) = (loop, events)
        health = Health(on: loop, state, events)
    }

    func receive(_ event: StatusEvent) {
        switch event {
        case .started(let sources):
            live = LiveSessions(on: loop, sources, events)
            health.began(sources)
        case .sessions(let worker, let sessions): live?.receive(sessions, from: worker)
        case .alive(let worker): health.receive(aliveFrom: worker)
        case .probed(let isAccepting): health.receive(isServerAccepting: isAccepting)
        }
    }

    func answer(_ exchange: HTTPExchange) {
        switch exchange.request.path {
        case "/": exchange.answer(page.response)
        case "/startup": exchange.answer(health.startup)
        case "/liveness": health.liveness { exchange.answer($0) }
        case "/readiness": health.readiness(withServer: exchange.request.has("server")) { exchange.answer($0) }
        case "/metrics": answerLive(exchange) { self.metrics($0, exchange.request.accept) }
        case "/sessions": answerSessions(exchange)
        case "/status": answerLive(exchange) { self.status($0) }
        default: exchange.answer(.line(.notFound, "no such endpoint; / has a page"))
        }
    }

    private func answerLive(_ exchange: HTTPExchange, _ response: @escaping (ProcessSnapshot) -> HTTPResponse) {
        guard let live else { return exchange.answer(.line(.unavailable, "starting")) }
        live.collect { exchange.answer(response($0)) }
    }

    private func answerSessions(_ exchange: HTTPExchange) {
        do throws(SessionQuery.Invalid) {
            let query = try SessionQuery(exchange.request.parameters.map { ($0.name, $0.value) })
            answerLive(exchange) { Self.json(query.page(of: $0.sessions, at: "\($0.time)")) }
        } catch {
            exchange.answer(.line(.badRequest, "\(error)"))
        }
    }

    private func metrics(_ collection: ProcessSnapshot, _ accept: String) -> HTTPResponse {
        let format = MetricFormat(accepting: accept)
        let text = Metric.allText(from: collection.metrics, in: format)
        return HTTPResponse(contentType: format.contentType, body: Array(text.utf8))
    }

    private func status(_ collection: ProcessSnapshot) -> HTTPResponse {
        Self.json(StatusDocument(collection, health.word).json)
    }

    private static func json(_ value: JSON) -> HTTPResponse {
        HTTPResponse(contentType: "application/json", body: Array(value.text.utf8))
    }
}
