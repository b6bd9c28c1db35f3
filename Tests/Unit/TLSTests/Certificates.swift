// The certificates of these tests, in a folder that is removed at the end of the process.

import Foundation
import Reactor
import TestSupport

extension Certificates {
    /// Made at the first use.
    static let shared = Result {
        let folder = URL(filePath: NSTemporaryDirectory()).appending(path: "pgleash-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        removeAtExit.withLock { $0 = folder.path }
        atexit { removeAtExit.withLock { folder in try? FileManager.default.removeItem(atPath: folder) } }
        return try Certificates(in: folder.path)
    }
}

private let removeAtExit = Locked("")
