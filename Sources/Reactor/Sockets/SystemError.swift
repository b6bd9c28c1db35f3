// An error number of the operating system, as a value that can be thrown, compared and read.

import Glibc

/// What `errno` said after a system call failed.
package struct SystemError: Error, Equatable, Sendable {
    /// The error number, as in errno(3).
    package let code: Int32

    package init(_ code: Int32) {
        self.code = code
    }

    /// The error of the system call that has just failed on this thread.
    package static var last: SystemError { SystemError(errno) }

    /// What an attempt ends with that took too long.
    package static let timedOut = SystemError(ETIMEDOUT)

    /// What a socket that is closed answers with.
    package static let badDescriptor = SystemError(EBADF)

    /// What the peer sends is not what was agreed on.
    package static let protocolError = SystemError(EPROTO)

    /// No descriptor is to be had, for this process or for the whole system.
    package var isOutOfDescriptors: Bool { code == EMFILE || code == ENFILE }

    /// The machine has no such address, or not this kind of address.
    package var isAddressUnavailable: Bool { code == EADDRNOTAVAIL || code == EAFNOSUPPORT }

    /// There is no such file.
    package var isNotFound: Bool { code == ENOENT }

    package var isPermissionDenied: Bool { code == EACCES || code == EPERM }

    /// The operation would have to wait.
    package var isTryAgain: Bool { code == EAGAIN || code == EWOULDBLOCK }

    /// The peer is gone without a word, or the network towards it is.
    package var isTimeout: Bool { code == ETIMEDOUT || code == EHOSTUNREACH || code == ENETUNREACH }
}

extension SystemError: CustomStringConvertible {
    package var description: String { unsafe String(cString: strerror(code)) }
}
