// A value with a lock.

import Glibc

/// A value that one thread at a time accesses.
///
/// It uses a mutex of the system because the thread sanitizer supports that, but not the locks of Synchronization.
@safe package final class Locked<Value>: @unchecked Sendable {
    /// The mutex excludes overlapping accesses.
    @exclusivity(unchecked)
    private var value: Value
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    package init(_ value: sending Value) {
        unsafe self.value = value
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(mutex, nil)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Lends the value to `body`, which must not call this object.
    package func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return unsafe body(&value)
    }
}
