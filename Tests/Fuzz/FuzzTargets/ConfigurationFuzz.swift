// The configuration file: any text is either refused, with its line, or results in settings within their bounds.

import Settings

func fuzzConfiguration(_ bytes: [UInt8]) throws(Violation) {
    let text = String(decoding: bytes, as: UTF8.self)
    let lineCount = text.split(omittingEmptySubsequences: false) { $0.isNewline }.count
    let configuration: Configuration
    do throws(ConfigurationError) {
        configuration = try Configuration(parsing: text, file: "fuzzed")
    } catch {
        let fields = error.description.split(separator: ":", maxSplits: 2)
        guard fields.count == 3, fields[0] == "fuzzed", let line = Int(fields[1]) else {
            throw Violation("an error names file and line: \(error)")
        }
        return try check((1...lineCount).contains(line), "an error names one of the \(lineCount) lines: \(error)")
    }
    try checkBounds(configuration)
}

private func checkBounds(_ configuration: Configuration) throws(Violation) {
    let (listen, server, cancel) = (configuration.listen, configuration.server, configuration.cancel)
    for hosts in [listen.hosts, server.hosts] {
        try check(!hosts.isEmpty && !hosts.contains(""), "there is a host, and none is empty: \(hosts)")
    }
    try check(!server.hosts.contains("*"), "a server has an address")
    try check(listen.port > 0 && server.port > 0, "ports are 1 to 65535")
    try check((1...1_000_000).contains(listen.maxSessions), "max_sessions is 1 to 1000000")
    try check((1...1000).contains(cancel.maxConcurrent), "max_concurrent is 1 to 1000")
    try check(Configuration.workerBounds.contains(configuration.workers), "workers are 1 to 256")
    let times = [listen.authenticationTimeout, server.connectTimeout, cancel.timeout, cancel.attemptTimeout]
    for time in times {
        try check((.milliseconds(100)...(.seconds(3600))).contains(time), "times are bounded: \(time)")
    }
    try check(configuration.metricsFile?.hasPrefix("/") != false, "the report's path is absolute")
    _ = configuration.isLoop
}
