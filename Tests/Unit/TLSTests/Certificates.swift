// Certificates for the tests, made with `openssl` the first time one is needed.

import Foundation
import Reactor

/// A folder with an authority and what it has signed, each a `.crt` and a `.key`.
struct Certificates: Sendable {
    /// Made once for all tests, gone with the process.
    static let shared = Result { try Certificates() }

    private let folder: String

    /// An authority, a server's and a client's certificate signed by it, one of its that has expired, and a stranger
    /// that signs for itself; also keys that can't be used.
    private static let recipe = """
        exec 2>log
        curve=ec_paramgen_curve:prime256v1
        new() { openssl req -newkey ec -pkeyopt $curve -nodes -keyout $1.key -subj /CN=$1 "${@:2}"; }
        printf 'subjectAltName=DNS:localhost,DNS:*.example.org,IP:127.0.0.1\\n' >names
        new authority -x509 -days 2 -out authority.crt
        new stranger -x509 -days 2 -out stranger.crt
        for name in server client; do
            new $name -out $name.csr
            openssl x509 -req -in $name.csr -CA authority.crt -CAkey authority.key -CAcreateserial -days 2 \\
                -extfile names -out $name.crt
        done
        new expired -out expired.csr
        printf '[ca]\\ndefault_ca=a\\n[a]\\ndatabase=index\\nnew_certs_dir=.\\n' >ca.cnf
        printf 'serial=authority.srl\\npolicy=p\\n' >>ca.cnf
        printf 'default_md=sha256\\ndefault_crl_days=2\\n[p]\\ncommonName=supplied\\n' >>ca.cnf
        touch index
        openssl ca -batch -config ca.cnf -cert authority.crt -keyfile authority.key -in expired.csr -out expired.crt \\
            -extfile names -startdate 200101000000Z -enddate 200102000000Z
        openssl ca -config ca.cnf -cert authority.crt -keyfile authority.key -gencrl -out none-revoked.crl
        openssl ca -config ca.cnf -cert authority.crt -keyfile authority.key -revoke server.crt
        openssl ca -config ca.cnf -cert authority.crt -keyfile authority.key -gencrl -out revoked.crl
        openssl ec -in server.key -aes128 -passout pass:xyzzy -out locked.key
        openssl pkcs8 -topk8 -in server.key -passout pass:xyzzy -out locked8.key
        printf 'This is no key: xyzzy.\\n' >garbage.key
        cp garbage.key garbage.crt
        : >empty.crt
        chmod 600 *.key
        """

    private init() throws {
        let url = URL(filePath: NSTemporaryDirectory()).appending(path: "pgleash-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        folder = url.path
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/bash")
        shell.arguments = ["-ec", Self.recipe]
        shell.currentDirectoryURL = url
        try shell.run()
        shell.waitUntilExit()
        guard shell.terminationStatus == 0 else {
            let log = try String(contentsOf: url.appending(path: "log"), encoding: .utf8)
            throw Failure(description: "openssl failed: \(log)")
        }
        Self.removeAtExit.withLock { $0 = folder }
        atexit { Certificates.removeAtExit.withLock { folder in try? FileManager.default.removeItem(atPath: folder) } }
    }

    func path(_ name: String) -> String { "\(folder)/\(name)" }

    private static let removeAtExit = Locked("")
}

struct Failure: Error, CustomStringConvertible {
    let description: String
}
