// A request as handlers see it. libevent has parsed it.

import CEvhttp
import Glibc

/// A GET or HEAD request.
package struct HTTPRequest: Sendable {
    /// A parameter of the query, decoded.
    package struct Parameter: Equatable, Sendable {
        package let name: String
        /// Nil where there is no `=`.
        package let value: String?

        package init(_ name: String, _ value: String?) { (self.name, self.value) = (name, value) }
    }

    /// The path as the client wrote it.
    package let path: String
    package let parameters: [Parameter]
    /// The header field Accept; empty where there is none.
    package let accept: String

    package init(path: String, parameters: [Parameter] = [], accept: String = "") {
        (self.path, self.parameters, self.accept) = (path, parameters, accept)
    }

    /// Whether the query has a parameter with this name.
    package func has(_ name: String) -> Bool { parameters.contains { $0.name == name } }
}

extension HTTPRequest {
    /// - Returns: nil where the target is not a path.
    init?(_ request: OpaquePointer) {
        guard let uri = unsafe evhttp_request_get_evhttp_uri(request), let path = unsafe evhttp_uri_get_path(uri) else {
            return nil
        }
        let query = unsafe evhttp_uri_get_query(uri).map { unsafe String(cString: $0) } ?? ""
        self.init(
            path: unsafe String(cString: path), parameters: Self.parameters(of: query),
            accept: unsafe Self.header("Accept", of: request) ?? ""
        )
    }

    /// The first field with this name; nil where there is none.
    static func header(_ name: String, of request: OpaquePointer) -> String? {
        guard let fields = unsafe evhttp_request_get_input_headers(request) else { return nil }
        return unsafe evhttp_find_header(fields, name).map { unsafe String(cString: $0) }
    }

    static func parameters(of query: String) -> [Parameter] {
        query.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(decoded)
            return Parameter(parts[0], parts.count > 1 ? parts[1] : nil)
        }
    }

    /// The text with the bytes that `%` and `+` stand for. What is not UTF-8 becomes U+FFFD.
    private static func decoded(_ text: Substring) -> String {
        var count = 0
        guard let bytes = unsafe evhttp_uridecode(String(text), 1, &count) else { return "" }
        defer { unsafe free(bytes) }
        return unsafe String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    }
}
