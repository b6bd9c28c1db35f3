// The check of a private key's permissions: as with libpq and PostgreSQL, others must not be able to read it.

import Glibc

/// - Throws: `TLSError` when the file is missing or not a regular file, or when others than its owner can read it. A
///   file of root may be readable by its group.
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
