// A second host on this machine: a network namespace with a link to ours, from which clients connect and which can die
// without a word. It lives as long as a process of ours, so nothing is left of it whatever ends the tests.

import Foundation

/// A network namespace, joined to ours.
final class NetworkNamespace {
    /// What joins it to ours.
    enum Link {
        /// A pair of veth devices, on which nothing is lost.
        case direct
        /// Two TUN devices and a program between them.
        ///
        /// - Parameters:
        ///   - loss: the share of packets that are lost, from 0 to 1.
        ///   - delay: how long each takes.
        case lossy(loss: Double, delay: Duration)
    }

    /// Our address on the link, where its clients find us.
    let hostAddress: String
    /// Its own, in the byte order of the machine.
    var ownAddress: UInt32 { host + 1 }
    private let host: UInt32
    private let holder: ChildProcess
    /// Passes packets on, where that is a program's work.
    private let forwarder: ChildProcess?
    private let device: String
    private let descriptor: Int32

    /// Set where a machine that can't make namespaces must not go unnoticed.
    static let isRequired = ProcessInfo.processInfo.environment["PGLEASH_REQUIRE_NETNS"] != nil
    /// Whether tests that need one are to run. Where it is required they do, and fail if it can't be made.
    static let isWanted = isRequired || (try? NetworkNamespace()) != nil

    init(link: Link = .direct) throws {
        holder = try ChildProcess(Programs.system("unshare"), ["--net", Programs.system("sleep"), "infinity"])
        let (pid, holder) = (holder.pid, holder)
        let own = try Self.identity(getpid())
        try wait(for: "a network namespace") {
            guard holder.isRunning else { throw TimedOut(description: holder.errorOutput) }
            return try Self.identity(pid) != own
        }
        // Four addresses of the network that is set aside for tests of networks, 198.18.0.0/15.
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
        // It would go with the namespace, but that may take a while: as long as its sockets.
        try? Self.ip("link", "delete", device)
        close(descriptor)
    }

    /// A client in it that connects to our side.
    func connect(port: UInt16, receiveBuffer: Int32? = nil) throws -> RawClient {
        try enter { try RawClient(port: port, host: host, receiveBuffer: receiveBuffer) }
    }

    /// What `body` makes is in it.
    func enter<Made>(_ body: () throws -> Made) throws -> Made {
        let own = unsafe open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        defer { close(own) }
        // A socket stays in the namespace of the thread that made it.
        guard setns(descriptor, networkNamespaceFlag) == 0 else { throw RawClientError.failed(errno) }
        defer { if setns(own, networkNamespaceFlag) != 0 { fatalError("no way back from the namespace") } }
        return try body()
    }

    /// From now on none of its packets arrives, and nobody is told.
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

/// setns(2), which glibc has and Swift's module of it hasn't.
private let setns: @convention(c) (Int32, Int32) -> Int32 = systemFunction("setns")
/// CLONE_NEWNET of <sched.h>.
private let networkNamespaceFlag: Int32 = 0x4000_0000
