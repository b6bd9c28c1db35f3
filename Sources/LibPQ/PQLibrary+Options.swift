// Whether libpq accepts keywords and values, without a connection.

import Glibc

extension PQLibrary {
    /// The reason why libpq does not accept these keywords or their values, in its words; nil where it does. It checks
    /// them all, and reads a service file, before it connects.
    package func objection(to parameters: [String: String]) -> String? {
        // As for a real connection, one host, address and port, whatever a service file or the environment says. The
        // address is none, which libpq finds out last, before it has a socket. With a password it reads no passfile.
        let place = ["host": "localhost", "hostaddr": Self.noAddress, "port": "1", "password": "none"]
        let all = parameters.merging(place) { $1 }
        let keys = CStrings(Array(all.keys)), values = CStrings(Array(all.values))
        guard let connection = unsafe connectStart(keys.pointer, values.pointer, 0) else { return "out of memory" }
        defer { unsafe finish(connection) }
        guard unsafe status(connection) == Self.statusBad else { return nil }
        let message = unsafe Self.line(errorMessage(connection))
        return message.contains("\"\(Self.noAddress)\"") ? nil : message
    }

    private static let noAddress = "/"

    /// CONNECTION_BAD in libpq-fe.h.
    static let statusBad: UInt32 = 1

    /// libpq's messages end with a line break, and may have several lines.
    static func line(_ message: UnsafePointer<CChar>?) -> String {
        guard let message = unsafe message else { return "" }
        let lines = unsafe String(cString: message).split(whereSeparator: \.isNewline)
            .map { $0.drop { $0 == "\t" || $0 == " " } }
        return lines.filter { !$0.hasPrefix("LOCATION:") }.joined(separator: "; ")
    }
}
