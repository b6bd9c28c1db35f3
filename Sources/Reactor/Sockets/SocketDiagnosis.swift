// The kernel's information about a TCP socket of this machine, whichever process owns it: NETLINK_SOCK_DIAG, as in
// sock_diag(7) and linux/inet_diag.h. A process that dies leaves its unsent data to the kernel, and the end of its
// stream comes after that. Where its kernel is that of pgleash, pgleash can query it.

import CLibevent
import Glibc

/// The kernel's report about a socket.
struct SocketReport: Equatable {
    /// The states of linux/tcp_states.h.
    enum State {
        static let established: UInt8 = 1
        static let finWait1: UInt8 = 4
        static let finWait2: UInt8 = 5
        static let timeWait: UInt8 = 6
        static let closeWait: UInt8 = 8
        static let lastAck: UInt8 = 9
        static let closing: UInt8 = 11
    }

    let state: UInt8
    /// 0 for a socket that no process owns any more.
    let inode: UInt32

    /// The socket has been closed, or its sending half has.
    var hasEnded: Bool {
        switch state {
        case State.finWait1, State.finWait2, State.closing, State.lastAck, State.timeWait: true
        case State.established, State.closeWait: inode == 0
        // A socket that listens or connects is not the queried one.
        default: false
        }
    }
}

/// A query for one end of a TCP connection: an `inet_diag_req_v2`, which matches that socket only.
struct SocketQuestion {
    private let source: ConnectionEnd
    private let destination: ConnectionEnd
    private let scope: UInt32
    private let number: UInt32

    /// - Parameters:
    ///   - source: the address of the queried end.
    ///   - destination: the address of the other end.
    ///   - number: identifies the answer.
    /// - Returns: nil for Unix sockets.
    init?(about source: SocketAddress, to destination: SocketAddress, number: UInt32) {
        guard let sourceEnd = ConnectionEnd(source), let destinationEnd = ConnectionEnd(destination) else { return nil }
        (self.source, self.destination, self.number) = (sourceEnd, destinationEnd, number)
        // A link-local address is ambiguous without its interface.
        scope = if case .ipv6(_, _, _, let scope) = source { scope } else { 0 }
    }

    /// `nlmsghdr` and `inet_diag_req_v2`, packed.
    var bytes: [UInt8] {
        let isIPv4 = source.isIPv4 && destination.isIPv4
        let family = UInt8(isIPv4 ? AF_INET : AF_INET6)
        var bytes = Self.native(Self.requestSize) + Self.native(Self.byFamily) + Self.native(Self.isRequest)
        bytes += Self.native(number) + Self.native(UInt32(0))
        // In any state, without optional attributes.
        bytes += [family, UInt8(IPPROTO_TCP), 0, 0] + Self.native(UInt32.max)
        bytes += Self.bigEndian(source.port) + Self.bigEndian(destination.port)
        bytes += source.bytes(isIPv4) + destination.bytes(isIPv4)
        // INET_DIAG_NOCOOKIE: any socket with these addresses.
        return bytes + Self.native(scope) + [UInt8](repeating: 0xff, count: 8)
    }

    /// Reads `nlmsghdr` and `inet_diag_msg`.
    ///
    /// - Returns: nil where the message is not an answer to this query, is about another socket (the kernel reports a
    ///   listening one where there is no connection), or is an error.
    func report(in answer: some Collection<UInt8>) -> SocketReport? {
        let answer = Array(answer)
        guard answer.count >= Self.answerSize, Self.native(at: 0, 4, answer) >= Self.answerSize,
            Self.native(at: 0, 4, answer) <= answer.count, Self.native(at: 4, 2, answer) == Self.byFamily,
            Self.native(at: 8, 4, answer) == number
        else { return nil }
        let isIPv4 = Int32(answer[16]) == AF_INET
        guard isIPv4 || Int32(answer[16]) == AF_INET6,
            source == ConnectionEnd(isIPv4, answer[24..<40], answer[20..<22]),
            destination == ConnectionEnd(isIPv4, answer[40..<56], answer[22..<24])
        else { return nil }
        return SocketReport(state: answer[17], inode: UInt32(Self.native(at: 84, 4, answer)))
    }

    /// SOCK_DIAG_BY_FAMILY.
    private static let byFamily: UInt16 = 20
    /// NLM_F_REQUEST; without NLM_F_DUMP the query is for one socket.
    private static let isRequest: UInt16 = 1
    private static let requestSize: UInt32 = 16 + 56
    private static let answerSize = 16 + 72

    fileprivate static func bigEndian<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
        stride(from: Value.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    /// In the byte order of the machine.
    private static func native<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] { bigEndian(value.bigEndian) }

    private static func native(at offset: Int, _ size: Int, _ bytes: [UInt8]) -> UInt64 {
        let field = bytes[offset..<offset + size]
        let ordered = UInt16(1).littleEndian == 1 ? Array(field.reversed()) : Array(field)
        return ordered.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// An address and a port; an IPv4 address is stored as IPv6 maps it. A client can connect to the one through the other,
/// and the kernel reports its socket as the client's family.
private struct ConnectionEnd: Equatable {
    private let high: UInt64
    private let low: UInt64
    let port: UInt16

    /// - Returns: nil for a Unix socket.
    init?(_ address: SocketAddress) {
        switch address {
        case .ipv4(let address, let port): (high, low, self.port) = (0, Self.mapped | UInt64(address), port)
        case .ipv6(let high, let low, let port, _): (self.high, self.low, self.port) = (high, low, port)
        case .unix: return nil
        }
    }

    /// - Parameters:
    ///   - bytes: 16 bytes, of which IPv4 uses the first 4.
    ///   - port: 2 bytes.
    init(_ isIPv4: Bool, _ bytes: ArraySlice<UInt8>, _ port: ArraySlice<UInt8>) {
        func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        high = isIPv4 ? 0 : number(bytes.prefix(8))
        low = isIPv4 ? Self.mapped | number(bytes.prefix(4)) : number(bytes.suffix(8))
        self.port = UInt16(truncatingIfNeeded: number(port))
    }

    /// ::ffff:0:0/96.
    private static let mapped: UInt64 = 0xffff_0000_0000

    var isIPv4: Bool { high == 0 && low >> 32 == 0xffff }

    func bytes(_ asIPv4: Bool) -> [UInt8] {
        guard asIPv4 else { return SocketQuestion.bigEndian(high) + SocketQuestion.bigEndian(low) }
        return SocketQuestion.bigEndian(UInt32(truncatingIfNeeded: low)) + [UInt8](repeating: 0, count: 12)
    }
}

/// Queries the kernel about sockets of the network namespace in which it was first used; it has no information about
/// other namespaces and other machines. No privilege is needed.
final class SocketDiagnosis {
    /// Opened by the first query, as most processes have none. It stays open for further queries: each then takes two
    /// system calls, and the result of the trust check stays valid.
    private var descriptor: Int32 = -1
    private var number: UInt32 = 0
    private var trust = Trust.tried(0)

    private enum Trust {
        /// The number of failed queries whose answer was known.
        case tried(Int)
        case earned
    }

    /// The limit for this: a connection can end during its query, but not so often.
    private static let mostTries = 3
    /// More than the kernel's longest answer without optional attributes.
    private static let answerSize = 1024
    /// Answers to earlier queries are skipped; there should be none.
    private static let mostAnswers = 8

    deinit {
        if descriptor >= 0 { closeDescriptor(descriptor) }
    }

    /// The kernel's report about the other end of a connection whose own end is at `own`; nil where there is none.
    func report(of peer: SocketAddress, connectedTo own: SocketAddress) -> SocketReport? {
        isTrusted(own, peer) ? ask(about: peer, to: own) : nil
    }

    /// Whether the kernel answers at all, as shown by its report about pgleash's own end. A kernel without the module
    /// would run modprobe for each query.
    private func isTrusted(_ own: SocketAddress, _ peer: SocketAddress) -> Bool {
        guard case .tried(let count) = trust else { return true }
        guard count < Self.mostTries, open() else { return false }
        trust = ask(about: own, to: peer) == nil ? .tried(count + 1) : .earned
        if case .earned = trust { return true }
        return false
    }

    /// The kernel answers within the send, so this does not wait.
    private func ask(about source: SocketAddress, to destination: SocketAddress) -> SocketReport? {
        number &+= 1
        guard let question = SocketQuestion(about: source, to: destination, number: number), open() else { return nil }
        let bytes = question.bytes
        guard unsafe send_nocancel(descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT)) == bytes.count else {
            return nil
        }
        var answer = [UInt8](repeating: 0, count: Self.answerSize)
        for _ in 0..<Self.mostAnswers {
            let count = unsafe recv_nocancel(descriptor, &answer, answer.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return nil }
            if let report = question.report(in: answer.prefix(count)) { return report }
        }
        return nil
    }

    /// - Returns: false where the kernel does not support it, or no descriptor is left.
    private func open() -> Bool {
        if descriptor >= 0 { return true }
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let opened = socket(AF_NETLINK, type, NETLINK_SOCK_DIAG)
        guard opened >= 0 else { return false }
        // Connected to the kernel: messages of other processes are not received.
        var kernel = sockaddr_nl()
        kernel.nl_family = sa_family_t(AF_NETLINK)
        let result = unsafe withUnsafePointer(to: &kernel) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(opened, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
            }
        }
        guard result == 0 else {
            closeDescriptor(opened)
            return false
        }
        descriptor = opened
        return true
    }
}

extension KernelSocket {
    package var hasPeerEnded: Bool {
        guard let peer = peerAddress, !peer.isUnix, let own = localAddress else { return false }
        // pgleash's end exists, so no other socket can have the peer's addresses.
        return loop.diagnosis.report(of: peer, connectedTo: own)?.hasEnded ?? false
    }
}
