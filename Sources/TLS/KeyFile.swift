// Who may read a private key: libpq and PostgreSQL refuse one that others can read, and so does pgleash.

import Glibc

/// - Throws: `TLSError` when the file can't be looked at, is no file, or can be read by others than its owner; one of
///   root's may be read by its group too.
func checkKeyFile(_ path: String) throws(TLSError) {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else {
        let reason = unsafe String(cString: strerror(errno))
        throw TLSError("could not access private key file \"\(path)\": \(reason)", about: .key)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
        throw TLSError("private key file \"\(path)\" is not a regular file", about: .key)
    }
    let forbidden: mode_t = status.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO
    guard status.st_mode & forbidden == 0 else {
        throw TLSError(
            "private key file \"\(path)\" has group or world access; file must have permissions u=rw (0600) or less if "
                + "owned by the current user, or permissions u=rw,g=r (0640) or less if owned by root",
            about: .key
        )
    }
}
