// The certificates of one test run, which servers, clients and pgleash show.

import Foundation
import TestSupport
import Testing

extension Certificates {
    /// Made when they are first asked for.
    static let shared: Certificates = {
        do {
            return try Certificates(in: RunFolder.shared.newFolder("certificates"))
        } catch { fatalError("certificates could not be made: \(error)") }
    }()
}

extension Certificates.Server: CustomTestStringConvertible {
    package var testDescription: String { rawValue }
}
