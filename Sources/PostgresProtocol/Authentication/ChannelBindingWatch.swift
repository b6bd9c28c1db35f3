// Detection of logins that fail because of channel binding. With TLS on both sides there are two connections and two
// certificates: a client that uses SCRAM-SHA-256-PLUS binds its login to pgleash's certificate, and the server refuses
// this binding unless the certificate is its own.

/// Detects that the server refused a login because of channel binding, so that the log can say how to solve it.
///
/// The messages of a login arrive one at a time, as each side waits for the other. If one is split nevertheless, only
/// the advice is missing.
package struct ChannelBindingWatch: Sendable {
    package enum Finding: Sendable {
        case nothingYet
        /// The server has decided, and no advice is needed.
        case done
        case refused
    }

    /// The SQLSTATE with which PostgreSQL refuses the binding; that of a wrong password is 28P01.
    private static let refusal: String = SQLState.invalidAuthorizationSpecification.rawValue

    private var isOffered = false

    package init() {}

    /// - Parameter bytes: bytes received from the server during the login.
    package mutating func note(_ bytes: Span<UInt8>) -> Finding {
        if bytes.count > 0, bytes[0] == BackendKind.errorResponse {
            let isRefused = FirstAnswer(parsing: bytes) == .refusal(sqlState: Self.refusal)
            return isOffered && isRefused ? .refused : .done
        }
        // AuthenticationSASL, AuthenticationSASLContinue and AuthenticationSASLFinal, 10 to 12; 0 is AuthenticationOk.
        guard let request = bytes.bigEndianUInt32(at: 5), bytes[0] == BackendKind.authentication else { return .done }
        if request == ChannelBindingRemoval.offersMechanisms {
            isOffered = ChannelBindingRemoval.mechanisms(in: bytes.copied())
                .contains { $0.elementsEqual(ChannelBindingRemoval.mechanism) }
        }
        return (10...12).contains(request) && isOffered ? .nothingYet : .done
    }
}
