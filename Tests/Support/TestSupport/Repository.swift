// Where the files of the repository are.

import Foundation

package enum Repository {
    /// The folder that this file was compiled in, up from Tests/Support/TestSupport.
    package static let root: URL = (0..<4).reduce(URL(filePath: #filePath)) { url, _ in url.deletingLastPathComponent()
    }
}
