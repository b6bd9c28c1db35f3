// What the process uses of the machine, as the system counts it.

import CLibevent
import Glibc

/// The resources that the process uses at one time; zero where the system does not say.
package struct ResourceUsage: Sendable {
    /// Processor time of all threads, user and system.
    package let processorTime: Duration
    /// The memory that is in use, in bytes.
    package let residentSize: Int
    /// The reserved address space, in bytes.
    package let virtualSize: Int
    package let openDescriptors: Int
    package let descriptorLimit: Int

    /// The usage at the time of this call.
    package static func current() -> ResourceUsage {
        var usage = rusage()
        unsafe getrusage(RUSAGE_SELF.rawValue, &usage)
        let pages = pageCounts()
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return ResourceUsage(
            processorTime: duration(usage.ru_utime) + duration(usage.ru_stime), residentSize: pages.resident * pageSize,
            virtualSize: pages.total * pageSize, openDescriptors: descriptorCount(),
            descriptorLimit: Int(clamping: limit.rlim_cur)
        )
    }

    private static var pageSize: Int { max(sysconf(Int32(_SC_PAGESIZE)), 1) }

    private static func duration(_ time: timeval) -> Duration {
        .seconds(time.tv_sec) + .microseconds(time.tv_usec)
    }

    /// The first two numbers of /proc/self/statm.
    private static func pageCounts() -> (total: Int, resident: Int) {
        let text = (try? readText(at: "/proc/self/statm")) ?? ""
        let numbers = text.split(separator: " ").prefix(2).compactMap { Int($0) }
        return numbers.count == 2 ? (numbers[0], numbers[1]) : (0, 0)
    }

    private static func descriptorCount() -> Int {
        guard let directory = unsafe opendir("/proc/self/fd") else { return 0 }
        defer { unsafe closedir(directory) }
        var count = 0
        while let entry = unsafe readdir(directory) {
            if unsafe entry.pointee.d_name.0 != CChar(bitPattern: UInt8(ascii: ".")) { count += 1 }
        }
        // Without the descriptor of the directory itself.
        return max(count - 1, 0)
    }
}
