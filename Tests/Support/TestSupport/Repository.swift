// The location of the repository's files.

import Foundation

package enum Repository {
    /// The folder in which this file was compiled, up from Tests/Support/TestSupport.
    package static let root: URL = (0..<4).reduce(URL(filePath: #filePath)) { url, _ in url.deletingLastPathComponent()
    }
}
