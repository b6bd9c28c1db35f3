// The suite all integration tests belong to. One test runs after the other: they measure times and share a server.

import Testing

@Suite(.serialized, .noStrayCancels)
enum IntegrationTests {}
