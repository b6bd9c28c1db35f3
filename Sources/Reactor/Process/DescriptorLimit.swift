// The limit of open descriptors of the process.

import Glibc

/// Raises the soft limit of open descriptors to the hard limit.
///
/// - Returns: the limit in force.
package func raiseDescriptorLimit() -> UInt64 {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
    let before = limit.rlim_cur
    limit.rlim_cur = limit.rlim_max
    guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return UInt64(before) }
    return UInt64(limit.rlim_cur)
}
