// What pgleash says to a server in the place of a client that is gone, so that the server comes to rest.

/// Messages for the end of a conversation.
package enum LastMessages {
    /// The name of a portal that does not exist. It stands in the server's log, in the error that its Execute leads to.
    package static let portal = "pgleash: client disconnected"

    /// Ends a copy from the client: it fails.
    package static let copyFail = message(FrontendKind.copyFail, Array("pgleash: client disconnected".utf8) + [0])

    /// Ends a batch that is open, so that nothing of it stays: a Sync alone would commit it. At the end of the stream
    /// the server rolls it back, too.
    package static let failingExecute = message(FrontendKind.execute, Array(portal.utf8) + [0, 0, 0, 0, 0])

    package static let sync = message(FrontendKind.sync, [])

    package static let terminate = message(FrontendKind.terminate, [])

    /// Whether an error is the one that `failingExecute` leads to.
    package static func isAnswered(by error: ServerMessage) -> Bool {
        error.sqlState == invalidCursorName && error.text.contains(portal)
    }

    /// `invalid_cursor_name`, PostgreSQL's code for a portal that does not exist.
    private static let invalidCursorName = "34000"

    private static func message(_ kind: UInt8, _ body: [UInt8]) -> [UInt8] {
        var bytes = [kind]
        bytes.appendBigEndian(UInt32(body.count + 4))
        return bytes + body
    }
}
