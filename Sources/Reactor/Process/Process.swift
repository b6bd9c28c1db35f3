// The beginning and the end of the process.

import Glibc

/// Opens /dev/null for those of standard input, output and error that are closed. Otherwise the next files to be opened
/// would get their numbers, and what is written to standard error would go there, such as into a client's connection.
package func openStandardDescriptors() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
        // The lowest number that is free is this one's. Without /dev, any file that can't be written does.
        if unsafe open("/dev/null", O_RDWR) < 0 { _ = unsafe open("/", O_RDONLY) }
    }
}

/// Ends the process at once, without the exit handlers of libraries whose threads may be at work.
package func endProcess(_ exitCode: Int32) -> Never {
    _exit(exitCode)
}
