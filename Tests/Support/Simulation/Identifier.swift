// Names in tests are written as text.

import PostgresProtocol

extension Identifier: ExpressibleByStringInterpolation {
    package init(stringLiteral name: String) {
        self.init(name)
    }
}
