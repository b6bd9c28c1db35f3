// A TLS socket whose peer sends arbitrary bytes, as the server of a client and the client of a server. It never traps,
// never reports its end twice, and releases its descriptor. The first byte selects the side and the end of the peer;
// the rest is sent in pieces.

import Glibc
import Reactor
import TLS

func fuzzTLS(_ bytes: [UInt8]) throws(Violation) {
    guard let how = bytes.first else { return }
    var pair: [Int32] = [-1, -1]
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    guard unsafe socketpair(AF_UNIX, type, 0, &pair) == 0 else { throw Violation("no sockets: \(errno)") }
    defer { close(pair[1]) }
    let loop = LibeventLoop(receiveBufferSize: 1024)
    let victim = Victim(loop, loop.adopt(AcceptedSocket(descriptor: pair[0], peer: .unix(path: ""))))
    try victim.begin(isServer: how & 1 != 0)
    let rest = Array(bytes.dropFirst())
    for piece in how & 2 != 0 ? cut(rest) : [rest] where !piece.isEmpty {
        _ = unsafe send(pair[1], piece, piece.count, Int32(MSG_NOSIGNAL))
        loop.turn()
    }
    if how & 4 != 0 { shutdown(pair[1], Int32(SHUT_WR)) }
    loop.turn()
    loop.turn()
    if how & 4 != 0 { try check(victim.calls == 1, "a handshake without a peer ends, once: \(victim.calls)") }
    try check(victim.calls <= 1, "a handshake ends once")
    try check(victim.error.map { !$0.description.isEmpty } ?? true, "a failure has a reason")
    victim.end()
    loop.turn()
    try check(hasEnded(pair[1]), "the descriptor is given back")
}

/// Made once.
private let client = try? TLSClient(TLSClientOptions())
private let server: TLSServer? = {
    var template = Array("/tmp/pgleash-fuzz-XXXXXX".utf8CString)
    guard unsafe mkdtemp(&template) != nil else { return nil }
    let folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    defer { unsafe system("rm -r \(folder)") }
    let request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=fuzz -days 2"
    guard unsafe system("cd \(folder) && \(request) -keyout key -out certificate 2>log") == 0 else { return nil }
    return try? TLSServer(TLSServerOptions(certificate: "\(folder)/certificate", key: "\(folder)/key"))
}()

/// A TLS socket and its owner.
private final class Victim: SocketOwner {
    private let loop: LibeventLoop
    private let transport: any StreamSocket
    private var socket: TLSSocket?
    private(set) var calls = 0
    private(set) var error: TLSError?

    init(_ loop: LibeventLoop, _ transport: any StreamSocket) { (self.loop, self.transport) = (loop, transport) }

    func begin(isServer: Bool) throws(Violation) {
        SignalWatch.ignoreBrokenPipes()
        guard let client, let server else { throw Violation("no TLS") }
        do throws(TLSError) {
            socket =
                try isServer
                ? server.accept(over: transport, loop: loop)
                : client.connect(over: transport, host: "localhost", loop: loop)
        } catch {
            throw Violation("\(error)")
        }
        socket?.owner = self
        socket?.handshake { [unowned self] in
            calls += 1
            error = $0
            if $0 == nil { socket?.interest = .read } else { socket?.close() }
        }
    }

    func socket(_ socket: any StreamSocket, became readiness: Readiness) {
        guard case .bytes = socket.receive(into: loop.receiveBuffer) else { return socket.close() }
    }

    func end() {
        socket = nil
        transport.close()
    }
}

extension LibeventLoop {
    /// Performs the pending work.
    fileprivate func turn() {
        let end = schedule(after: .zero) { [unowned self] in stop() }
        run()
        end.cancel()
    }
}

/// Whether the other end is closed, after all bytes. It may take some seconds, as a program that another test starts
/// has copies of the descriptors until its `exec`.
private func hasEnded(_ descriptor: Int32) -> Bool {
    var bytes = [UInt8](repeating: 0, count: 4096)
    while unsafe recv(descriptor, &bytes, bytes.count, 0) > 0 {}
    var query = pollfd(fd: descriptor, events: 0, revents: 0)
    return unsafe poll(&query, 1, 5000) == 1 && query.revents & Int16(POLLHUP) != 0
}
