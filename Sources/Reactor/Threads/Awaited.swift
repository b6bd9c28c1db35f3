// A value with a lock, for whose changes threads can wait.

import Glibc

/// A value that one thread at a time accesses, and for whose changes others wait.
///
/// It uses a mutex and a condition of the system, for the same reason as `Locked`.
@safe package final class Awaited<Value>: @unchecked Sendable {
    /// The mutex excludes overlapping accesses.
    @exclusivity(unchecked)
    private var value: Value
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    package init(_ value: sending Value) {
        unsafe self.value = value
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(mutex, nil)
        unsafe condition = .allocate(capacity: 1)
        unsafe condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe condition.deallocate()
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Lends the value to `body`, which must not call this object.
    package func read<Result>(_ body: (Value) -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return unsafe body(value)
    }

    /// Lends the value to `body`, which must not call this object, and wakes all waiting threads.
    package func change<Result>(_ body: (inout Value) -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        defer { unsafe pthread_cond_broadcast(condition) }
        return unsafe body(&value)
    }

    /// Waits until `isReady`, then changes the value as `change` does.
    package func change<Result>(once isReady: (Value) -> Bool, _ body: (inout Value) -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while unsafe !isReady(value) { unsafe pthread_cond_wait(condition, mutex) }
        defer { unsafe pthread_cond_broadcast(condition) }
        return unsafe body(&value)
    }

    /// Waits until `isReady`, but no longer than `limit`.
    ///
    /// - Returns: whether it is.
    @discardableResult
    package func wait(within limit: Duration, until isReady: (Value) -> Bool) -> Bool {
        let deadline = MonotonicTime.now.advanced(by: limit).nanoseconds
        var end = timespec(tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while unsafe !isReady(value) {
            if unsafe pthread_cond_timedwait(condition, mutex, &end) == ETIMEDOUT { return unsafe isReady(value) }
        }
        return true
    }
}
