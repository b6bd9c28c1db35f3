// A second host on this machine: a network namespace with a link to the tests', from which clients connect and which
// can die without sending a packet. It lives as long as a process of the tests, so nothing of it remains after them.

import Foundation

/// A network namespace, linked to the tests'.
final class NetworkNamespace {
    /// The link.
    enum Link {
        /// A pair of veth devices, on which nothing is lost.
        case direct
        /// Two TUN devices and a program between them.
        ///
        /// - Parameters:
        ///   - loss: the fraction of packets that are lost, from 0 to 1.
        ///   - delay: the delay of each packet.
        case lossy(loss: Double, delay: Duration)
    }

    /// The tests' address on the link, which its clients connect to.
    let hostAddress: String
    /// Its own address, in the byte order of the machine.
    var ownAddress: UInt32 { host + 1 }
    private let host: UInt32
    private let holder: ChildProcess
    /// The program that passes packets on, where there is one.
    private let forwarder: ChildProcess?
    private let device: String
    private let descriptor: Int32

    /// Set where the tests must fail on a machine that cannot create namespaces.
    static let isRequired = ProcessInfo.processInfo.environment["PGLEASH_REQUIRE_NETNS"] != nil
    /// Whether tests that need one run. Where it is required they do, and fail if it cannot be created.
    static let isWanted = isRequired || (try? NetworkNamespace()) != nil

    init(link: Link = .direct) throws {
        holder = try ChildProcess(Programs.system("unshare"), ["--net", Programs.system("sleep"), "infinity"])
        let (pid, holder) = (holder.pid, holder)
        let own = try Self.identity(getpid())
        try wait(for: "a network namespace") {
            guard holder.isRunning else { throw TimedOut(description: holder.errorOutput) }
            return try Self.identity(pid) != own
        }
        // Four addresses of 198.18.0.0/15, the network reserved for tests of networks.
        let network = 0xc612_0000 | UInt32(truncatingIfNeeded: pid) << 2 & 0x1_ffff
        host = network + 1
        hostAddress = Self.text(host)
        device = "pgleash\(pid)"
        let peer = "client"
        descriptor = unsafe open("/proc/\(pid)/ns/net", O_RDONLY | O_CLOEXEC)
        switch link {
        case .direct:
            forwarder = nil
            try Self.ip("link", "add", device, "type", "veth", "peer", "name", peer, "netns", "\(pid)")
        case .lossy(let loss, let delay):
            let arguments = ["\(pid)", device, peer, "\(loss)", "\(delay / .milliseconds(1))"]
            let program = try ChildProcess(
                Programs.debian("python3"), ["-B", "\(Programs.sources)/lossy_link.py"] + arguments)
            forwarder = program
            try wait(for: "a lossy link") {
                guard program.isRunning else { throw TimedOut(description: program.errorOutput) }
                return program.output.contains("ready")
            }
        }
        try Self.ip("address", "add", "\(hostAddress)/30", "dev", device)
        try Self.ip("link", "set", device, "up")
        try inside("address", "add", "\(Self.text(network + 2))/30", "dev", peer)
        try inside("link", "set", peer, "up")
    }

    deinit {
        // It would be removed with the namespace, but possibly as late as its sockets.
        try? Self.ip("link", "delete", device)
        close(descriptor)
    }

    /// A client in it that connects to the tests' host.
    func connect(port: UInt16, receiveBuffer: Int32? = nil) throws -> RawClient {
        try enter { try RawClient(port: port, host: host, receiveBuffer: receiveBuffer) }
    }

    /// Sockets that `body` creates are in it.
    func enter<Made>(_ body: () throws -> Made) throws -> Made {
        let own = unsafe open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        defer { close(own) }
        // A socket stays in the namespace of the thread that made it.
        guard setns(descriptor, networkNamespaceFlag) == 0 else { throw RawClientError.failed(errno) }
        defer { if setns(own, networkNamespaceFlag) != 0 { fatalError("no way back from the namespace") } }
        return try body()
    }

    /// From now on none of its packets arrives, without a notification.
    func die() throws { try inside("route", "add", "blackhole", "\(hostAddress)/32") }

    /// Its packets arrive again.
    func revive() throws { try inside("route", "delete", "blackhole", "\(hostAddress)/32") }

    private func inside(_ arguments: String...) throws {
        try Self.run(
            Programs.system("nsenter"), ["--target", "\(holder.pid)", "--net", Programs.system("ip")] + arguments)
    }

    private static func ip(_ arguments: String...) throws { try run(Programs.system("ip"), arguments) }

    private static func run(_ program: String, _ arguments: [String]) throws {
        let result = try ChildProcess.run(program, arguments)
        guard result.exit == .code(0) else {
            throw TimedOut(description: "\(arguments.joined(separator: " ")): \(result.error)")
        }
    }

    private static func identity(_ pid: pid_t) throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/ns/net")
    }

    static func text(_ address: UInt32) -> String {
        [24, 16, 8, 0].map { "\(address >> $0 & 0xff)" }.joined(separator: ".")
    }
}

/// setns(2), which glibc has and Swift's Glibc module lacks.
private let setns: @convention(c) (Int32, Int32) -> Int32 = systemFunction("setns")
/// CLONE_NEWNET of <sched.h>.
private let networkNamespaceFlag: Int32 = 0x4000_0000
