// The start of a program in its own process group, with files for its output and none of the tests' descriptors or
// signal settings.

import Foundation

/// - Parameters:
///   - input: a descriptor for standard input; nil is /dev/null.
///   - output: the file for standard output.
///   - terminal: a terminal's device for standard input, output and error instead; the program then leads a session of
///     its own, and gets the terminal's signals.
/// - Returns: the process ID, which is also the group's, or a negative number.
func spawn(
    _ path: String,
    _ arguments: [String],
    environment: [String: String] = [:],
    input: Int32? = nil,
    output: String,
    error: String,
    terminal: String? = nil
) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    if let input {
        unsafe posix_spawn_file_actions_adddup2(&actions, input, 0)
    } else {
        // The first terminal the leader of a session opens becomes the session's.
        unsafe posix_spawn_file_actions_addopen(
            &actions, 0, terminal ?? "/dev/null", terminal == nil ? O_RDONLY : O_RDWR, 0)
    }
    let flags = O_WRONLY | O_CREAT | O_APPEND
    unsafe posix_spawn_file_actions_addopen(&actions, 1, terminal ?? output, flags, 0o644)
    if terminal != nil || error == output {
        unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
    } else {
        unsafe posix_spawn_file_actions_addopen(&actions, 2, error, flags, 0o644)
    }

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    for signal in [SIGPIPE, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1] { unsafe sigaddset(&signals, signal) }
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    let place = terminal == nil ? Int32(POSIX_SPAWN_SETPGROUP) : newSession
    let settings = place | Int32(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
    unsafe posix_spawnattr_setflags(&attributes, Int16(settings))

    // Variables for the user's own databases must not affect those of the tests.
    var all = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PG") }
    all["LC_ALL"] = "C"
    all.merge(environment) { $1 }
    return unsafe withCStrings([path] + arguments) { argv in
        unsafe withCStrings(all.map { "\($0.key)=\($0.value)" }) { environ in
            var pid: pid_t = -1
            return unsafe posix_spawn(&pid, path, &actions, &attributes, argv, environ) == 0 ? pid : -1
        }
    }
}

/// POSIX_SPAWN_SETSID, which Swift lacks: glibc declares it for _GNU_SOURCE only.
private let newSession: Int32 = 0x80

/// Calls `body` with the strings as an array of C strings that ends with a null pointer.
private func withCStrings<Result>(
    _ strings: [String],
    _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    let copies = unsafe strings.map { unsafe strdup($0) }
    defer { unsafe copies.forEach { unsafe free($0) } }
    return unsafe body(copies + [nil])
}

/// A pipe that child processes do not inherit: the end to read from and the end to write to.
func makePipe() throws -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else {
        throw TimedOut(description: unsafe "no pipe: \(String(cString: strerror(errno)))")
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
}
