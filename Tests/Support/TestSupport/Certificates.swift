// Certificates for servers and clients, made by the openssl command: a valid one, and one for each kind of error.

import Foundation

/// A trusted authority, an untrusted one, and their certificates. Only this user can read the keys.
package struct Certificates: Sendable {
    /// A server's certificate, named by its property.
    package enum Server: String, CaseIterable, Sendable {
        /// For `localhost`, names below `example.org` and 127.0.0.1.
        case right
        case expired
        case wrongName = "wrong name"
        case unknownAuthority = "unknown authority"
        case revoked

        /// The name of the file: in the tests' folder, and in the data folder of a server that uses it.
        package var fileName: String { rawValue.replacing(" ", with: "-") + ".crt" }
    }

    private let folder: String

    /// Each `.crt`, except the garbage, has a `.key` with the same name.
    private static let recipe = """
        exec 2>log
        PATH=/usr/bin:$PATH # another openssl on it may lack what Debian's brings along
        new_key() { openssl ecparam -genkey -noout -name prime256v1 -out $1.key; }
        # certify NAME SUBJECT AUTHORITY SERIAL DAYS [OPTION...]
        certify() {
            openssl req -new -key $1.key -subj /CN=$2 "${@:6}" -out $1.csr
            openssl x509 -req -in $1.csr -CA $3.crt -CAkey $3.key -set_serial $4 -days $5 \\
                -copy_extensions copy -out $1.crt
        }
        for name in authority other; do
            new_key $name
            openssl req -x509 -key $name.key -subj "/CN=$name of the tests" -days 30 -out $name.crt
        done
        new_key right
        for name in expired wrong-name unknown-authority revoked; do cp right.key $name.key; done
        names=(-addext "subjectAltName=DNS:localhost,DNS:*.example.org,IP:127.0.0.1")
        certify right server authority 1 30 "${names[@]}"
        certify wrong-name server authority 1 30 -addext subjectAltName=DNS:elsewhere.test
        certify unknown-authority server other 1 30 "${names[@]}"
        certify revoked server authority 11 30 "${names[@]}"
        new_key client
        certify client postgres authority 2 30

        # The database of `openssl ca`, with one line written by hand: serial number 0B is revoked.
        printf 'R\\t491231235959Z\\t200101000000Z\\t0B\\tunknown\\t/CN=server\\n' >database
        echo 01 >serial
        printf '%s\\n' '[ca]' default_ca=a '[a]' database=database serial=serial new_certs_dir=. default_md=sha256 \\
            copy_extensions=copy policy=p '[p]' commonName=supplied >ca.conf
        ca() { openssl ca -config ca.conf -keyfile authority.key -cert authority.crt "$@"; }
        # `openssl x509` refuses an end before the start in OpenSSL 3.5, and has no option for the start in OpenSSL 3.0.
        openssl req -new -key expired.key -subj /CN=server "${names[@]}" -out expired.csr
        ca -batch -notext -startdate 200101000000Z -enddate 200102000000Z -in expired.csr -out expired.crt
        ca -gencrl -crldays 30 -out authority.crl

        openssl ec -in right.key -aes128 -passout pass:xyzzy -out locked.key
        openssl pkcs8 -topk8 -in right.key -passout pass:xyzzy -out locked8.key
        printf 'This is no key: xyzzy.\\n' >garbage.key
        cp garbage.key garbage.crt
        : >empty.crt
        chmod 600 *.key
        """

    /// Makes them all in `folder`, which exists and belongs to the caller.
    package init(in folder: String) throws {
        self.folder = folder
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/bash")
        shell.arguments = ["-ec", Self.recipe]
        shell.currentDirectoryURL = URL(filePath: folder)
        try shell.run()
        shell.waitUntilExit()
        guard shell.terminationStatus == 0 else {
            throw Failure(description: "openssl failed: \(readText(path("log")) ?? "")")
        }
    }

    package func path(_ name: String) -> String { "\(folder)/\(name)" }

    package subscript(_ server: Server) -> String { path(server.fileName) }

    /// The trusted authority.
    package var authority: String { path("authority.crt") }
    /// The certificates that it has revoked.
    package var revocationList: String { path("authority.crl") }
    /// The authorities of all servers' certificates.
    package var serverKey: String { path("right.key") }
    /// For the user `postgres`, from the trusted authority.
    package var client: String { path("client.crt") }
    package var clientKey: String { path("client.key") }
}

/// The failure of a test's helper.
package struct Failure: Error, CustomStringConvertible {
    package let description: String

    package init(description: String) { self.description = description }
}
