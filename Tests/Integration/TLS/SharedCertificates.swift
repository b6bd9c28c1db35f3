// The certificates of one test run, for servers, clients and pgleash.

import Foundation
import TestSupport
import Testing

extension Certificates {
    /// Made at their first use.
    static let shared: Certificates = {
        do {
            return try Certificates(in: RunFolder.shared.newFolder("certificates"))
        } catch { fatalError("certificates could not be made: \(error)") }
    }()
}

extension Certificates.Server: CustomTestStringConvertible {
    package var testDescription: String { rawValue }
}
