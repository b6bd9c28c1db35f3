// libevent's HTTP server: it accepts and parses requests, and this file bounds what clients can make it use. Knows no
// endpoint.

import CEvhttp
import Glibc
import Reactor

/// Answers GET and HEAD requests on a loop of its own.
@safe package final class HTTPServer {
    /// Kept until the end.
    private let sockets: [ListeningSocket]
    private let hosts: HostCheck?
    private let handler: (HTTPExchange) -> Void
    private let connections: HTTPConnections
    private let server: OpaquePointer

    /// Begins to accept.
    ///
    /// - Parameters:
    ///   - hosts: the hosts that requests may be for; nil where no browser can reach the sockets.
    ///   - handler: receives each request. It answers it, at once or later.
    package init(
        loop: LibeventLoop, sockets: [ListeningSocket], hosts: HostCheck?, limits: HTTPLimits = HTTPLimits(),
        _ handler: @escaping (HTTPExchange) -> Void
    ) throws(SystemError) {
        (self.sockets, self.hosts, self.handler) = (sockets, hosts, handler)
        connections = try HTTPConnections(loop: loop, limits)
        guard let server = unsafe evhttp_new(loop.base) else { throw .outOfMemory }
        unsafe self.server = server
        // Otherwise libevent would answer other methods with 501.
        unsafe evhttp_set_allowed_methods(server, .max)
        unsafe evhttp_set_max_headers_size(server, limits.header)
        unsafe evhttp_set_max_body_size(server, limits.body)
        unsafe evhttp_set_timeout(server, limits.timeout)
        unsafe evhttp_set_bevcb(server, Self.makeConnection, Unmanaged.passUnretained(connections).toOpaque())
        unsafe evhttp_set_gencb(server, Self.handle, Unmanaged.passUnretained(self).toOpaque())
        for socket in sockets { try accept(on: socket) }
    }

    deinit {
        // Before the connections, whose memory the server's connections use.
        unsafe evhttp_free(server)
    }

    private func accept(on socket: ListeningSocket) throws(SystemError) {
        // libevent closes its own copy.
        let descriptor = try socket.duplicate()
        guard let bound = unsafe evhttp_accept_socket_with_handle(server, descriptor) else {
            closeDescriptor(descriptor)
            throw .outOfMemory
        }
        unsafe connections.add(evhttp_bound_socket_get_listener(bound))
    }

    private func receive(_ pending: OpaquePointer) {
        if let connection = unsafe evhttp_request_get_connection(pending) {
            unsafe connections.noteRequest(on: evhttp_connection_get_bufferevent(connection))
        }
        let method = unsafe evhttp_request_get_command(pending)
        guard method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD else {
            return unsafe send(.line(.methodNotAllowed, "only GET and HEAD"), to: pending)
        }
        if let hosts, unsafe !hosts.allows(HTTPRequest.header("Host", of: pending)) {
            let reason = "this host is not allowed: use an IP address, localhost or a name in [http] allowed_hosts"
            return unsafe send(.line(.misdirected, reason), to: pending)
        }
        guard let request = unsafe HTTPRequest(pending) else {
            return unsafe send(.line(.badRequest, "the target is not a path"), to: pending)
        }
        unsafe handler(HTTPExchange(request, pending, of: self))
    }

    private static let handle: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Void = { request, server in
        guard let request = unsafe request, let server = unsafe server else { return }
        unsafe Unmanaged<HTTPServer>.fromOpaque(server).takeUnretainedValue().receive(request)
    }

    private static let makeConnection: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> OpaquePointer? = {
        base, connections in
        guard let connections = unsafe connections else { return nil }
        return unsafe Unmanaged<HTTPConnections>.fromOpaque(connections).takeUnretainedValue().make(base)
    }
}
