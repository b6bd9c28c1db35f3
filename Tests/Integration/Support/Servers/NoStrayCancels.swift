// The check after each test that the shared server has logged no cancel after the exit of its backend.

import Testing

/// Reads the shared server's log when a test has ended.
struct NoStrayCancels: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        guard !test.tags.contains(.toleratesStrayCancels) else { return try await function() }
        let before = lines.count
        try await function()
        for line in lines.dropFirst(before) { Issue.record("a stray cancel in the server's log: \(line)") }
    }

    private var lines: [Substring] {
        PrivatePostgres.isSharedStarted.load(ordering: .relaxed) ? PrivatePostgres.shared.strayCancelLines : []
    }
}

extension Tag {
    /// For tests in which so many clients leave in the middle of a request that on a busy machine a backend may take
    /// longer to exit than the time before the next cancel.
    @Tag static var toleratesStrayCancels: Self
}

extension Trait where Self == NoStrayCancels {
    /// The shared server logs no cancel that matches no process.
    static var noStrayCancels: Self { Self() }
}
