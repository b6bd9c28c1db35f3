// The start and the end of the process.

import Glibc

/// Opens /dev/null as standard input, output or error where these are closed. Otherwise the next opened files would get
/// their numbers, and output to standard error would go to a client's connection, for example.
package func openStandardDescriptors() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
        // The lowest free number is this one. Without /dev, any file that cannot be written will do.
        if unsafe open("/dev/null", O_RDWR) < 0 { _ = unsafe open("/", O_RDONLY) }
    }
}

/// The number of the process.
package var processIdentifier: Int32 { getpid() }

/// Ends the process at once, without the exit handlers of libraries whose threads may be at work.
package func endProcess(_ exitCode: Int32) -> Never {
    _exit(exitCode)
}
