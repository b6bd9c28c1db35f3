// The sources of the metrics' values at one time.

/// What the metrics are read from.
package struct MetricSources: Sendable {
    /// The counters of each thread.
    let counters: [Counters]
    package var version = ""
    package var maxSessions: Int64 = 0
    package var logLinesDropped: Int64 = 0
    package var monitorsConnected: Int64 = 0
    package var workers: Int64 = 0
    package var workersAnswering: Int64 = 0
    /// The time for which the longest running query of a client or an orphan has run.
    package var oldestQuery: Duration?
    package var reload = ReloadResult()
    package var certificates: [CertificateExpiry] = []
    package var process = ProcessUsage()
    /// Nil without `[metrics] labels`.
    private(set) var logins: LoginMetrics?
    private(set) var loginReadings: [Login: LoginMetrics.Reading] = [:]

    package init(counters: [Counters]) {
        self.counters = counters
    }

    /// Adds the metrics by login.
    package mutating func add(_ logins: LoginMetrics, with sessions: [SessionSnapshot]) {
        (self.logins, loginReadings) = (logins, logins.readings(with: sessions))
    }

    /// A counter's sum over all threads.
    package func sum(_ counter: (Counters) -> Counter) -> Int64 { counters.reduce(0) { $0 + counter($1).value } }
}

/// The result of the last reading of the certificates.
package struct ReloadResult: Sendable {
    package var isSuccess = true
    /// The time of the last success; seconds since 1970.
    package var successTime = 0.0

    package init(isSuccess: Bool = true, successTime: Double = 0) {
        (self.isSuccess, self.successTime) = (isSuccess, successTime)
    }
}

/// The end of a certificate's validity.
package struct CertificateExpiry: Sendable {
    let file: String
    let notAfter: Int64

    /// - Parameter notAfter: seconds since 1970.
    package init(file: String, notAfter: Int64) {
        (self.file, self.notAfter) = (file, notAfter)
    }
}

/// What the process uses, in the units of Prometheus' metrics; zero where the system does not say.
package struct ProcessUsage: Sendable {
    /// Seconds since 1970.
    package var startTime = 0.0
    package var processorSeconds = 0.0
    package var residentBytes: Int64 = 0
    package var virtualBytes: Int64 = 0
    package var openDescriptors: Int64 = 0
    package var descriptorLimit: Int64 = 0

    package init() {}
}
