// The time of day, for the log and the report.

import Glibc

/// A point in time on CLOCK_REALTIME, which the system may set.
package struct WallTime: Hashable, Sendable {
    /// Since 1970-01-01T00:00:00Z, without leap seconds.
    package let milliseconds: Int64

    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// Seconds with a fraction, the unit of Prometheus.
    package var seconds: Double { Double(milliseconds) / 1000 }

    /// The time of this call.
    package static var now: WallTime {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}

extension WallTime: CustomStringConvertible {
    /// As in RFC 3339, in UTC: `2026-11-30T03:12:04.123Z`.
    package var description: String {
        var seconds = time_t(milliseconds / 1000)
        var parts = unsafe tm()
        unsafe gmtime_r(&seconds, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = unsafe strftime(&text, text.count, "%Y-%m-%dT%H:%M:%S", &parts)
        let fraction = "\(1000 + milliseconds % 1000)".dropFirst()
        return String(decoding: text[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self) + ".\(fraction)Z"
    }
}
