// Messages that pgleash sends in place of a client that is gone, so that the server becomes idle.

/// Messages for the end of a conversation.
package enum LastMessages {
    /// The name of a portal that does not exist. The error of its Execute contains it, and so does the server's log.
    package static let portal = "pgleash: client disconnected"

    /// Ends a copy from the client with an error.
    package static let copyFail = message(FrontendKind.copyFail, Array("pgleash: client disconnected".utf8) + [0])

    /// Ends an open batch so that none of it takes effect: a Sync alone would commit it. At the end of the stream the
    /// server rolls the batch back, too.
    package static let failingExecute = message(FrontendKind.execute, Array(portal.utf8) + [0, 0, 0, 0, 0])

    package static let sync = message(FrontendKind.sync, [])

    package static let terminate = message(FrontendKind.terminate, [])

    /// Whether `error` is the one that `failingExecute` causes.
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
