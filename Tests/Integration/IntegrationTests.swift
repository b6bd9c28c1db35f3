// The suite of all integration tests. One test runs after the other: they measure times and share a server.

import Testing

@Suite(.serialized, .noStrayCancels)
enum IntegrationTests {}
