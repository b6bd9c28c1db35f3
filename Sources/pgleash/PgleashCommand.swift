// The command line: it reads the arguments and starts the supervisor.

import ArgumentParser
import Logging
import Proxy
import Settings

@main
struct PgleashCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pgleash",
        abstract: "Relays PostgreSQL connections and cancels the queries of clients that disconnected.",
        discussion: """
            Command-line options override environment variables (PGLEASH_<SECTION>_<KEY>), which override the \
            configuration file, which overrides the defaults. SIGUSR1 writes a report, SIGHUP reads certificates \
            again, SIGTERM and SIGINT end pgleash within 5 seconds.
            """,
        version: "pgleash \(pgleashVersion)"
    )

    @Option(
        help: ArgumentHelp(
            "Configuration file. (default: \(Configuration.defaultFile), if it exists)", valueName: "file"),
        completion: .file()
    )
    var config: String?

    @Option(
        help: ArgumentHelp(
            "Address that clients connect to; \(hostNote) (default: 127.0.0.1:6432)", valueName: "host:port"),
        transform: { try HostPort($0) }
    )
    var listen: HostPort?

    @Option(
        help: ArgumentHelp("Address of the server; \(hostNote) (default: 127.0.0.1:5432)", valueName: "host:port"),
        transform: { try HostPort($0) }
    )
    var server: HostPort?

    @Option(
        help: ArgumentHelp(
            "Address of the HTTP endpoints for monitoring, or the path of a Unix socket. (default: none)",
            valueName: "host:port")
    )
    var http: String?

    @Option(
        help: ArgumentHelp(
            "Number of worker threads. (default: the number of processors, at most 4)", valueName: "number")
    )
    var workers: WorkerCount?

    @Option(help: ArgumentHelp("Minimum log level. (default: info)", valueName: "level"))
    var logLevel: Logger.Level?

    @Option(help: ArgumentHelp("Format of log lines. (default: auto)", valueName: "format"))
    var logFormat: LogFormat?

    @Flag(help: "Validate the configuration and exit.")
    var checkConfig = false

    @Flag(help: "Check whether pgleash and its server accept connections, and exit; exit codes as pg_isready's.")
    var ping = false

    @Flag(help: "Check whether pgleash accepts connections, whatever its server does, and exit.")
    var pingSelf = false

    @Flag(help: "Log in as the monitor at each address of the server, report what it can do, and exit.")
    var checkMonitor = false

    @Option(
        help: ArgumentHelp("Time for --ping, --ping-self and --check-monitor, in seconds.", valueName: "seconds"))
    var timeout = 3

    static func main() {
        prepareProcess()
        main(nil)
    }

    func validate() throws {
        guard (1...3600).contains(timeout) else { throw ValidationError("--timeout must be 1 to 3600") }
    }

    func run() throws {
        let configuration = effectiveConfiguration()
        if !checkConfig {
            if ping || pingSelf { checkHealth(configuration) }
            if checkMonitor { checkMonitor(configuration) }
        }
        let security = orQuit { () throws(SecurityError) in try Security(configuration) }
        if checkConfig {
            if let objection = MonitorCheck.objection(to: configuration) {
                quit(objection.isConfigurationError ? exConfig : 1, "\(objection)")
            }
            return printWarnings(security.warnings, of: configuration)
        }
        try serve(configuration, security)
    }

    private func checkHealth(_ configuration: Configuration) -> Never {
        // The user of the check need not have permission to read the server key.
        let security = ping ? orQuit { () throws(SecurityError) in try Security.server(configuration) } : nil
        let (line, exitCode) = HealthCheck(configuration, security).run(within: .seconds(timeout))
        printLine(line)
        // A thread of the check may still be in a library.
        quit(exitCode)
    }

    private func checkMonitor(_ configuration: Configuration) -> Never {
        let security = orQuit { () throws(SecurityError) in try Security.server(configuration) }
        let (text, exitCode) = MonitorCheck(configuration, security).run(within: .seconds(timeout))
        printLine(text)
        quit(exitCode)
    }

    private func orQuit<Result>(_ read: () throws(SecurityError) -> Result) -> Result {
        do throws(SecurityError) {
            return try read()
        } catch {
            // The file may be created or corrected later, so a service manager should restart pgleash.
            quit(checkConfig || ping || checkMonitor || error.isConfigurationError ? exConfig : 1, "\(error)")
        }
    }

    /// Prints the result of `--check-config`.
    private func printWarnings(_ warnings: [ConfigurationWarning], of configuration: Configuration) {
        for warning in warnings { printError("warning: \(warning)") }
        let file = configuration.file.map { "\($0):" } ?? "no configuration file at \(Configuration.defaultFile);"
        print("pgleash: \(file) the configuration is valid")
    }

    private func serve(_ configuration: Configuration, _ security: Security) throws {
        let output: LogOutput
        do throws(StartError) { output = try LogOutput(configuration.logFormat) } catch { quit(1, "\(error)") }
        output.bootstrap()
        var log = Logger(label: "pgleash")
        log.logLevel = configuration.logLevel
        security.warnings.forEach { $0.log(log) }
        do {
            // Threads of libraries may be running, so nothing is deallocated.
            let exitCode = try Supervisor(configuration, security, log: log, to: output).run()
            output.flush()
            quit(exitCode)
        } catch let error as StartError {
            output.flush()
            quit(error.isConfigurationError ? exConfig : 1, "\(error)")
        }
    }
}

// MARK: - The configuration

extension PgleashCommand {
    private func effectiveConfiguration() -> Configuration {
        do throws(ConfigurationError) {
            var configuration = try Configuration.read(file: config, orDefault: Configuration.defaultFile)
            try apply(listen, "--listen", to: "listen", of: &configuration)
            try apply(server, "--server", to: "server", of: &configuration)
            try set("listen", in: "http", to: http, "--http", of: &configuration)
            try set("workers", to: workers.map { "\($0.count)" }, "--workers", of: &configuration)
            try set("log_level", to: logLevel?.rawValue, "--log-level", of: &configuration)
            try set("log_format", to: logFormat?.rawValue, "--log-format", of: &configuration)
            try configuration.validate()
            configuration.noteRepeatedOptions(in: CommandLine.arguments)
            if configuration.isLoop { quit(exConfig, configuration.loopError) }
            return configuration
        } catch {
            quit(error.isOfOption ? exUsage : exConfig, "\(error)")
        }
    }

    private func apply(
        _ place: HostPort?, _ option: String, to section: String, of configuration: inout Configuration
    ) throws(ConfigurationError) {
        guard let place else { return }
        try configuration.set("host", in: section, to: place.host, byOption: option)
        guard let port = place.port ?? Configuration.defaultPort(of: section) else { return }
        try configuration.set("port", in: section, to: port, byOption: option)
    }

    private func set(
        _ key: String, in section: String = "pgleash", to value: String?, _ option: String,
        of configuration: inout Configuration
    ) throws(ConfigurationError) {
        guard let value else { return }
        try configuration.set(key, in: section, to: value, byOption: option)
    }
}

private let hostNote = "a host that begins with / is a socket directory."
