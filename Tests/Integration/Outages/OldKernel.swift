// The behaviour of kernels before Linux 6.15 on a newer one: they lack the option for the longest pause between two
// attempts to reach a peer.

import Foundation

/// Starts a program as on such a kernel: a library before glibc refuses the option.
enum OldKernel {
    /// The prefix of a command.
    static func launcher() throws -> [String] {
        [Programs.system("env"), "LD_PRELOAD=\(try library.get())"]
    }

    private static let library = Result { try build() }

    private static func build() throws -> String {
        let source = try RunFolder.shared.newFile("old_kernel.c", code)
        let library = source + ".so"
        let result = try ChildProcess.run(
            Programs.system("cc"), ["-shared", "-fPIC", "-o", library, source, "-ldl"])
        guard result.exit == .code(0) else { throw TimedOut(description: result.error) }
        return library
    }

    /// 44 is TCP_RTO_MAX_MS of linux/tcp.h.
    private static let code = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <netinet/in.h>
        #include <sys/socket.h>
        int setsockopt(int socket, int level, int name, const void *value, socklen_t length) {
            int (*next)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");
            if (level == IPPROTO_TCP && name == 44) { errno = ENOPROTOOPT; return -1; }
            return next(socket, level, name, value, length);
        }

        """
}
