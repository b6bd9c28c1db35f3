// What the workers of a process have in common.

import Logging
import Reactor
import Settings
import Telemetry
import Upstream

/// The objects that all workers share.
package struct WorkerEnvironment: Sendable {
    package let configuration: Configuration
    package let upstream: Upstream
    package let ownAddresses: OwnAddresses
    package let security: Security
    package let sessionQuota: Quota
    package let dispatcher: Mailbox<DispatcherMessage>
    package let keys = CancelKeyDirectory()
    package let orphanHistory = OrphanHistory()
    let serverClosings = ServerClosings()
    /// nil without `[metrics] labels`.
    package let logins: LoginMetrics?
    /// nil without a monitor.
    package let monitors: Monitors?
    /// nil without `recovery_file`.
    let record: SessionRecord?
    let readAheadQuota: Quota
    package let log: Logger

    package init(
        configuration: Configuration,
        upstream: Upstream,
        ownAddresses: OwnAddresses = OwnAddresses([]),
        security: Security,
        sessionQuota: Quota,
        dispatcher: Mailbox<DispatcherMessage>,
        monitors: Monitors? = nil,
        record: SessionRecord? = nil,
        log: Logger
    ) {
        (self.monitors, self.record) = (monitors, record)
        self.configuration = configuration
        self.upstream = upstream
        self.ownAddresses = ownAddresses
        self.security = security
        self.sessionQuota = sessionQuota
        self.dispatcher = dispatcher
        self.log = log
        readAheadQuota = Quota(configuration.cancel.readAhead)
        let labels = configuration.metricLabels
        logins =
            labels.isEmpty
            ? nil : LoginMetrics(byUser: labels.contains(.user), byDatabase: labels.contains(.database))
    }
}
