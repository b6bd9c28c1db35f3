// With TLS on both sides there are two connections to bind a login to, and two certificates: a client that uses
// SCRAM-SHA-256-PLUS binds to ours, and unless that is the server's own the server takes us for an attacker.

/// Notices that the server refused a login for that, to say what can be done.
///
/// It takes for granted that messages of the login come one at a time, as both sides wait for each other then. If one
/// is cut nevertheless, the advice is missing and nothing else.
package struct ChannelBindingWatch: Sendable {
    package enum Finding: Sendable {
        case nothingYet
        /// The server has made up its mind, and there is nothing to say.
        case done
        case refused
    }

    /// What PostgreSQL refuses it with; a wrong password is 28P01.
    private static let refusal: String = SQLState.invalidAuthorizationSpecification.rawValue

    private var isOffered = false

    package init() {}

    /// - Parameter bytes: what was received of the server, during its login.
    package mutating func note(_ bytes: Span<UInt8>) -> Finding {
        if bytes.count > 0, bytes[0] == BackendKind.errorResponse {
            let isRefused = FirstAnswer(parsing: bytes) == .refusal(sqlState: Self.refusal)
            return isOffered && isRefused ? .refused : .done
        }
        // AuthenticationSASL and its relatives, 10 to 12; 0 is the end of it.
        guard let request = bytes.bigEndianUInt32(at: 5), bytes[0] == BackendKind.authentication else { return .done }
        if request == ChannelBindingRemoval.offersMechanisms {
            isOffered = ChannelBindingRemoval.mechanisms(in: bytes.copied())
                .contains { $0.elementsEqual(ChannelBindingRemoval.mechanism) }
        }
        return (10...12).contains(request) && isOffered ? .nothingYet : .done
    }
}
