// The effect of TLS to the server on a login with SCRAM, which can be bound to the TLS connection.

import PostgresProtocol
import Reactor

/// Edits or watches the server's messages during the login. Few sessions have a filter for long, so others have no
/// storage for it.
final class LoginFilter {
    private enum Step {
        /// The client has no TLS connection to bind to, and would refuse a server that offers it.
        case remove(ChannelBindingRemoval)
        /// The client has a TLS connection, but not the server's.
        case watch(ChannelBindingWatch)
        case done
    }

    private var step: Step

    private init(_ step: Step) { self.step = step }

    /// - Returns: nil where the server offers no channel binding.
    static func between(_ client: any StreamSocket, _ server: any StreamSocket) -> LoginFilter? {
        guard server.encryptedPeerName != nil else { return nil }
        let isRemoved = client.encryptedPeerName == nil
        return LoginFilter(isRemoved ? .remove(ChannelBindingRemoval()) : .watch(ChannelBindingWatch()))
    }

    var isDone: Bool { if case .done = step { true } else { false } }

    /// Lends `body` the bytes for the client: most often those that the server sent.
    ///
    /// - Parameter refused: called when the server refused a login that was bound to pgleash's certificate.
    func edit(_ bytes: Span<UInt8>, refused: () -> Void, _ body: (Span<UInt8>) -> Void) {
        switch step {
        case .done: body(bytes)
        case .remove(var removal):
            let edited = removal.edit(bytes)
            step = removal.isDone ? .done : .remove(removal)
            if !edited.isEmpty { body(edited.span) }
        case .watch(var watch):
            let finding = watch.note(bytes)
            step = if case .nothingYet = finding { .watch(watch) } else { .done }
            if case .refused = finding { refused() }
            body(bytes)
        }
    }
}

extension Stage {
    /// Logs the warning once, as it applies to all clients.
    final func warnAboutChannelBinding() {
        guard worker.environment.security.server.shouldWarn() else { return }
        worker.environment.log.warning(
            """
            the server refused a login that was bound to pgleash's certificate: set channel_binding=disable in the \
            client, or let [listen] ssl_cert_file be the server's own certificate
            """,
            metadata: logMetadata
        )
    }
}
