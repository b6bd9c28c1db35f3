// The number of sent bytes that the other process has not read yet, as the kernel reports it.

import Foundation

extension RawClient {
    /// Whether the process at the other end, on this machine, has read all sent bytes from its socket.
    func peerHasReadAll() throws -> Bool {
        // Unacknowledged bytes have not reached the other socket's queue yet. This check comes first: bytes on the way
        // from the one to the other must not be missed by both.
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
        // It has closed, and will read no more.
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
