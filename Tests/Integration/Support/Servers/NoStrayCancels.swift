// Behind each test: the shared server has logged no cancel that came when its backend had left already.

import Testing

/// Looks into the shared server's log when a test has ended.
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
    /// Where so many clients leave in the middle of something that on a busy machine one of their backends may take
    /// longer to leave than it is given before the next cancel.
    @Tag static var toleratesStrayCancels: Self
}

extension Trait where Self == NoStrayCancels {
    /// The shared server logs no cancel that matches no process.
    static var noStrayCancels: Self { Self() }
}
