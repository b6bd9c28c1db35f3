// The login of the monitor: libpq's keywords for one address of the server.

import LibPQ
import Reactor
import Settings

/// The reason why no monitor can connect, on this machine or with these settings.
package struct MonitorLoginError: Error, CustomStringConvertible {
    package let description: String
    /// The configuration is wrong.
    package let isConfigurationError: Bool
}

/// Makes the monitor's connections.
package struct MonitorLogin: Sendable {
    private let library: PQLibrary
    /// The keywords without those of the address.
    private let keywords: [String: String]

    /// - Throws: `MonitorLoginError` where this machine has no libpq, or it does not accept the settings.
    package init(_ configuration: Configuration) throws(MonitorLoginError) {
        do throws(PQLoadError) { library = try PQLibrary() } catch {
            let reason = "[monitor] needs libpq (Debian's package libpq5): \(error)"
            throw MonitorLoginError(description: reason, isConfigurationError: false)
        }
        keywords = Self.keywords(of: configuration)
        guard let objection = library.objection(to: keywords) else { return }
        throw MonitorLoginError(description: configuration.monitorError(objection), isConfigurationError: true)
    }

    /// Connects to an address on `loop`.
    package func connect(
        to address: HostAddress, on loop: LibeventLoop, _ report: @escaping (PQConnection.Event) -> Void
    ) -> PQConnection {
        let all = keywords.merging(Self.place(of: address)) { own, _ in own }
        let parameters = all.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) }
        return PQConnection(library, loop: loop, parameters: parameters, report)
    }

    private static func keywords(of configuration: Configuration) -> [String: String] {
        let server = configuration.server.tls
        var keywords = [
            "application_name": "pgleash monitor", "sslmode": server.mode.rawValue,
            // Whatever the environment says, a standby has a monitor, too.
            "target_session_attrs": "any",
        ]
        switch server.rootCertificates {
        case .file(let path): keywords["sslrootcert"] = path
        // Only libpq 16 and later has a word for the authorities of the system.
        case .system: keywords["sslrootcert"] = "system"
        case nil: break
        }
        keywords["sslcrl"] = server.revocationList
        return keywords.merging(configuration.monitor.keywords) { $1 }
    }

    /// The host's name is for certificates and the passfile; libpq connects to the address.
    private static func place(of address: HostAddress) -> [String: String] {
        [
            "host": address.host, "hostaddr": address.address.numericHost,
            "port": address.address.port.map { "\($0)" } ?? "",
        ]
    }
}
