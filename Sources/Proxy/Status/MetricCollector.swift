// The sources of the metrics of this process, for the report and the HTTP endpoints.

import Reactor
import Settings
import Telemetry
import Upstream

/// Reads the sources; from any thread.
final class MetricCollector: Sendable {
    let counters: [Counters]
    let configuration: Configuration
    let security: Security
    let output: LogOutput
    let startTime: WallTime
    let monitors: Monitors?
    let logins: LoginMetrics?

    init(
        counters: [Counters], configuration: Configuration, security: Security, output: LogOutput, startTime: WallTime,
        monitors: Monitors?, logins: LoginMetrics?
    ) {
        (self.counters, self.configuration, self.security) = (counters, configuration, security)
        (self.output, self.startTime) = (output, startTime)
        (self.monitors, self.logins) = (monitors, logins)
    }

    /// - Parameters:
    ///   - sessions: the sessions of the workers that answered.
    ///   - answering: their number.
    func sources(_ sessions: [SessionSnapshot], answering: Int) -> MetricSources {
        var sources = MetricSources(counters: counters)
        sources.version = pgleashVersion
        sources.maxSessions = Int64(configuration.listen.maxSessions)
        sources.logLinesDropped = output.droppedCount
        sources.monitorsConnected = Int64(monitors?.readyCount ?? 0)
        sources.workers = Int64(configuration.workers)
        sources.workersAnswering = Int64(answering)
        sources.oldestQuery = sessions.compactMap(\.queryAge).max()
        sources.reload = security.reloadResult
        sources.certificates = security.certificateExpiries
        sources.process = processUsage
        if let logins { sources.add(logins, with: sessions) }
        return sources
    }

    private var processUsage: ProcessUsage {
        let resources = ResourceUsage.current()
        var usage = ProcessUsage()
        usage.startTime = startTime.seconds
        usage.processorSeconds = resources.processorTime.seconds
        usage.residentBytes = Int64(resources.residentSize)
        usage.virtualBytes = Int64(resources.virtualSize)
        usage.openDescriptors = Int64(resources.openDescriptors)
        usage.descriptorLimit = Int64(resources.descriptorLimit)
        return usage
    }
}
