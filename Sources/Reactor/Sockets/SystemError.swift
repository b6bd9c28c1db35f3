// An error number of the operating system, as a value that can be thrown, compared and read.

import Glibc

/// The value of `errno` after a failed system call.
package struct SystemError: Error, Equatable, Sendable {
    /// The error number, as in errno(3).
    package let code: Int32

    package init(_ code: Int32) {
        self.code = code
    }

    /// The error of the system call that just failed on this thread.
    package static var last: SystemError { SystemError(errno) }

    /// The error of an attempt that took too long.
    package static let timedOut = SystemError(ETIMEDOUT)

    /// The error of a closed socket.
    package static let badDescriptor = SystemError(EBADF)

    /// The error for a peer that violates the protocol.
    package static let protocolError = SystemError(EPROTO)

    package static let outOfMemory = SystemError(ENOMEM)

    /// There is no free descriptor, for this process or for the whole system.
    package var isOutOfDescriptors: Bool { code == EMFILE || code == ENFILE }

    /// The machine lacks this address or this kind of address.
    package var isAddressUnavailable: Bool { code == EADDRNOTAVAIL || code == EAFNOSUPPORT }

    /// There is no such file.
    package var isNotFound: Bool { code == ENOENT }

    package var isPermissionDenied: Bool { code == EACCES || code == EPERM }

    /// The operation would block.
    package var isTryAgain: Bool { code == EAGAIN || code == EWOULDBLOCK }

    /// The peer does not respond, or the network to it is down.
    package var isTimeout: Bool { code == ETIMEDOUT || code == EHOSTUNREACH || code == ENETUNREACH }
}

extension SystemError: CustomStringConvertible {
    package var description: String { unsafe String(cString: strerror(code)) }
}
