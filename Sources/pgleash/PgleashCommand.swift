// The command line: arguments in, supervisor started.

import ArgumentParser
import Logging
import Proxy
import Settings

@main
struct PgleashCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pgleash",
        abstract: "Relays PostgreSQL connections and cancels the queries of clients that went away.",
        discussion: """
            The command line goes over the configuration file, the file over the defaults. \
            SIGUSR1 writes a report, SIGTERM and SIGINT end pgleash within 5 seconds.
            """,
        version: "pgleash \(pgleashVersion)"
    )

    @Option(
        help: ArgumentHelp(
            "Configuration file. (default: \(Configuration.defaultFile), if it exists)", valueName: "file")
    )
    var config: String?

    @Option(help: ArgumentHelp("Where clients connect; \(hostNote) (default: 127.0.0.1:6432)", valueName: "host:port"))
    var listen: HostPort?

    @Option(help: ArgumentHelp("Where the server is; \(hostNote) (default: 127.0.0.1:5432)", valueName: "host:port"))
    var server: HostPort?

    @Option(
        help: ArgumentHelp("Threads that relay. (default: the number of processors, at most 4)", valueName: "number")
    )
    var workers: WorkerCount?

    @Option(help: ArgumentHelp("What is logged, and what is worse. (default: info)", valueName: "level"))
    var logLevel: Logger.Level?

    @Flag(help: "Read the configuration, say what is wrong with it, and exit.")
    var checkConfig = false

    @Flag(help: "Say whether pgleash and the server behind it take connections; exit codes as pg_isready's.")
    var ping = false

    static func main() {
        // Before anything else opens a file.
        ensureStandardDescriptors()
        main(nil)
    }

    func run() throws {
        let configuration = try effectiveConfiguration()
        if ping, !checkConfig {
            // Who asks need not be able to read the key that clients are answered with.
            let security = orQuit { () throws(SecurityError) in try Security.server(configuration) }
            let (line, exitCode) = checkHealth(configuration, security)
            print(line)
            throw ExitCode(exitCode)
        }
        let security = orQuit { () throws(SecurityError) in try Security(configuration) }
        if checkConfig { return say(security.warnings, of: configuration) }
        try serve(configuration, security)
    }

    private func orQuit<Result>(_ read: () throws(SecurityError) -> Result) -> Result {
        do throws(SecurityError) {
            return try read()
        } catch {
            // A file may still come or be put right, and a service is then to be started again.
            quit(checkConfig || ping || error.isMistake ? exConfig : 1, "\(error)")
        }
    }

    /// The answer to `--check-config`.
    private func say(_ warnings: [ConfigurationWarning], of configuration: Configuration) {
        for warning in warnings { complain("warning: \(warning)") }
        if let file = configuration.file {
            print("pgleash: \(file): the configuration is valid")
        } else {
            print("pgleash: no configuration file at \(Configuration.defaultFile); the defaults are valid")
        }
    }

    private func serve(_ configuration: Configuration, _ security: Security) throws {
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var log = Logger(label: "pgleash")
        log.logLevel = configuration.logLevel
        security.warnings.forEach { $0.log(log) }
        do {
            // Threads of libraries may still be at work, so nothing is taken down.
            quit(try Supervisor(configuration, security, log: log).run())
        } catch let error as StartError {
            quit(error.isMistake ? exConfig : 1, "\(error)")
        }
    }

    private func effectiveConfiguration() throws -> Configuration {
        var configuration: Configuration
        do throws(ConfigurationError) {
            configuration = try Configuration(file: config, orDefault: Configuration.defaultFile)
        } catch {
            quit(exConfig, "\(error)")
        }
        try apply(listen, to: "listen", of: &configuration)
        try apply(server, to: "server", of: &configuration)
        if configuration.isLoop { quit(exConfig, OwnAddresses.complaint) }
        if let workers { configuration.workers = workers.count }
        if let logLevel { configuration.logLevel = logLevel }
        return configuration
    }
}

extension PgleashCommand {
    private func apply(_ place: HostPort?, to section: String, of configuration: inout Configuration) throws {
        guard let place else { return }
        let isAllowed =
            configuration.apply(place.host, to: "host", in: section)
            && configuration.apply("\(place.port)", to: "port", in: section)
        guard isAllowed else { throw ValidationError("The host '\(place.host)' is invalid for '--\(section)'") }
    }
}

private let hostNote = "a host that begins with / is a socket directory."
