// How much of what was sent the other process has not read yet, as the kernel tells it.

import Foundation

extension RawClient {
    /// Whether the process at the other end, on this machine, has taken everything we sent out of its socket.
    func peerHasReadAll() throws -> Bool {
        // What isn't acknowledged has not reached the other socket's queue yet. This comes first: bytes on the way from
        // the one to the other must not be missed by both looks.
        var unacknowledged: Int32 = 0
        guard unsafe ioctl(descriptor, UInt(TIOCOUTQ), &unacknowledged) == 0, unacknowledged == 0 else { return false }
        let (us, them) = unsafe (port(getsockname), port(getpeername))
        let table = try String(contentsOfFile: "/proc/net/tcp", encoding: .utf8)
        for line in table.split(separator: "\n").dropFirst() {
            // sl local_address rem_address st tx_queue:rx_queue …, all in hexadecimal.
            let fields = line.split(separator: " ")
            guard fields.count > 4, fields[1].hasSuffix(":" + them), fields[2].hasSuffix(":" + us) else { continue }
            return fields[4].hasSuffix(":00000000")
        }
        // It has closed, and with that read all it ever will.
        return true
    }

    private func port(
        _ name: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> String {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        unsafe withUnsafeMutablePointer(to: &address) { pointer in
            _ = unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe name(descriptor, $0, &length)
            }
        }
        return String(format: "%04X", UInt16(bigEndian: address.sin_port))
    }
}
