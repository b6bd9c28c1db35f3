// A thread of the operating system that runs one closure.

import Glibc

/// Starts `body` on a new thread, which ends with it.
///
/// - Parameter name: the name in tools such as top; the system keeps 15 bytes.
package func startThread(named name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
    let start = unsafe Unmanaged.passRetained(ThreadStart(name: name, body: body))
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    defer { unsafe pthread_attr_destroy(&attributes) }
    var thread = pthread_t()
    let failure = unsafe pthread_create(
        &thread,
        &attributes,
        { argument in
            guard let argument = unsafe argument else { return nil }
            let start = unsafe Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
            nameThisThread(start.name)
            start.body()
            return nil
        },
        start.toOpaque()
    )
    guard failure == 0 else {
        unsafe start.release()
        throw SystemError(failure)
    }
}

/// Lets other threads of the machine run first, where there are not enough processors for all.
package func lowerPriorityOfThisThread() {
    // On Linux the priority is one of the thread.
    _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
}

/// Glibc's pthread_setname_np is not in Swift's Glibc module; writing to the file has the same effect.
private func nameThisThread(_ name: String) {
    let file = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    let bytes = Array(name.utf8.prefix(15))
    _ = unsafe write(file, bytes, bytes.count)
    closeDescriptor(file)
}

/// The argument of a new thread.
private final class ThreadStart: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}
