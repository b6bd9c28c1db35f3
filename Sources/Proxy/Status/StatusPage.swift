// The live page, and the policy under which a browser runs it.

import HTTP
import TLS

/// The page with its headers.
struct StatusPage {
    let response: HTTPResponse

    init() {
        let page = PackageResources.page_html
        let policy =
            "default-src 'none'; style-src \(Self.sources("style", in: page)); "
            + "script-src \(Self.sources("script", in: page)); connect-src 'self'; img-src data:; base-uri 'none'; "
            + "form-action 'none'; frame-ancestors 'none'"
        response = HTTPResponse(contentType: "text/html; charset=utf-8", policy: policy, body: page)
    }

    /// The digests of the page's own elements with this name. Others don't run.
    private static func sources(_ element: String, in page: [UInt8]) -> String {
        var digests: [String] = []
        var rest = page[...]
        while let start = rest.firstRange(of: Array("<\(element)".utf8)),
            let open = rest[start.upperBound...].firstIndex(of: UInt8(ascii: ">")),
            let end = rest[open...].firstRange(of: Array("</\(element)>".utf8))
        {
            digests += [sha256Base64(rest[(open + 1)..<end.lowerBound])].compactMap { $0 }
            rest = rest[end.upperBound...]
        }
        return digests.isEmpty ? "'none'" : digests.map { "'sha256-\($0)'" }.joined(separator: " ")
    }
}
