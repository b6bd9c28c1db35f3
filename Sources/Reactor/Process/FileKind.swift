// What is at a path.

import Glibc

/// What is at a path, as far as this process may know.
package enum FileKind: Equatable {
    case missing
    /// A regular file with these permissions, such as 0600.
    case regular(mode: UInt32)
    case other
    /// For example a directory before it can't be searched by this user.
    case unknown

    package init(at path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else {
            self = [ENOENT, ENOTDIR].contains(SystemError.last.code) ? .missing : .unknown
            return
        }
        self = status.st_mode & S_IFMT == S_IFREG ? .regular(mode: UInt32(status.st_mode & 0o7777)) : .other
    }
}
