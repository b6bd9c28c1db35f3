// One request and its answer, which may come later.

import CEvhttp

/// A request that waits for its answer. It is used on the loop's thread only.
///
/// While it waits, libevent neither reads from its connection nor writes to it, so nothing ends the connection, and the
/// request exists.
@safe package final class HTTPExchange {
    package let request: HTTPRequest
    /// Keeps the connection.
    private let server: HTTPServer
    private var pending: OpaquePointer?

    init(_ request: HTTPRequest, _ pending: OpaquePointer, of server: HTTPServer) {
        self.request = request
        self.server = server
        unsafe self.pending = pending
    }

    deinit {
        answer(.line(.internalError, "no answer"))
    }

    /// Answers the request. Further answers have no effect.
    package func answer(_ response: HTTPResponse) {
        guard let pending = unsafe pending else { return }
        unsafe self.pending = nil
        unsafe send(response, to: pending)
    }
}

/// Sends the response; `request` must not be used after it.
func send(_ response: HTTPResponse, to request: OpaquePointer) {
    let headers = unsafe evhttp_request_get_output_headers(request)
    for (name, value) in response.fields + [("Content-Length", "\(response.body.count)")] {
        unsafe evhttp_add_header(headers, name, value)
    }
    // The answer to HEAD has the length, and not the body.
    let buffer = unsafe evhttp_request_get_command(request) == EVHTTP_REQ_HEAD ? nil : evbuffer_new()
    defer { if let buffer = unsafe buffer { unsafe evbuffer_free(buffer) } }
    if let buffer = unsafe buffer { unsafe evbuffer_add(buffer, response.body, response.body.count) }
    unsafe evhttp_send_reply(request, response.status.rawValue, response.status.reason, buffer)
}
