// What TLS on the way to the server does to a login with SCRAM, which would like to bind itself to the connection.

import PostgresProtocol
import Reactor

/// What is to be done about channel binding while a session's login is under way. Few sessions have one for long, so
/// the others have no room for it.
indirect enum ChannelBinding {
    /// The client has no TLS connection to bind to, and would refuse a server that offers it.
    case remove(ChannelBindingRemoval)
    /// The client has one, but it is not the server's.
    case watch(ChannelBindingWatch)

    /// Nothing where the server offers none.
    init?(client: any StreamSocket, server: any StreamSocket) {
        guard server.encryptedPeerName != nil else { return nil }
        self = client.encryptedPeerName == nil ? .remove(ChannelBindingRemoval()) : .watch(ChannelBindingWatch())
    }
}

extension Session {
    /// Lends what goes to the client of what the server sent during the login: most often the very same.
    func withEdited(_ bytes: Span<UInt8>, _ body: (Span<UInt8>) -> Void) {
        switch channelBinding {
        case nil: body(bytes)
        case .remove(var removal):
            let edited = removal.edit(bytes)
            channelBinding = removal.isDone ? nil : .remove(removal)
            if !edited.isEmpty { body(edited.span) }
        case .watch(var watch):
            let finding = watch.note(bytes)
            channelBinding = if case .nothingYet = finding { .watch(watch) } else { nil }
            if case .refused = finding { adviseAboutChannelBinding() }
            body(bytes)
        }
    }

    /// Once: it is the same for all clients of a pgleash.
    private func adviseAboutChannelBinding() {
        guard worker.serverSecurity.mayAdvise() else { return }
        worker.log.warning(
            """
            the server refused a login that was bound to pgleash's certificate: set channel_binding=disable in the \
            client, or let [listen] ssl_cert_file be the server's own certificate
            """,
            metadata: logMetadata
        )
    }
}
