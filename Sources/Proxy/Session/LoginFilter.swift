// What TLS on the way to the server does to a login with SCRAM, which would like to bind itself to the connection.

import PostgresProtocol
import Reactor

/// Edits or watches what a server sends during the login. Few sessions have one for long, so the others have no room
/// for it.
final class LoginFilter {
    private enum Step {
        /// The client has no TLS connection to bind to, and would refuse a server that offers it.
        case remove(ChannelBindingRemoval)
        /// The client has one, but it is not the server's.
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

    /// Lends to `body` what goes to the client of what the server sent: most often the very same.
    ///
    /// - Parameter refused: the server refused a login that was bound to pgleash's certificate.
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
    /// Once: it is the same for all clients of a pgleash.
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
