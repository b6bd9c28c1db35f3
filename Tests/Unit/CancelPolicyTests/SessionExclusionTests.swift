// Sessions that are excluded by their application_name, which they may change.

import PostgresProtocol
import Testing

@testable import CancelPolicy

@Suite struct `An excluded application name` {
    private let names: Set<Identifier> = [Identifier("nightly"), Identifier("Zo\u{eb}")]

    @Test func `excludes a session that takes it after its login`() {
        let exclusion = SessionExclusion.byName(names, isGiven: false)
        #expect(!exclusion.covers("", isRenamed: false))
        #expect(!exclusion.covers("web", isRenamed: false))
        #expect(exclusion.covers("nightly", isRenamed: true))
        #expect(exclusion.covers("nightly", isRenamed: false), "by ALTER ROLE, say")
    }

    @Test func `excludes no session that has taken another one`() {
        let exclusion = SessionExclusion.byName(names, isGiven: true)
        #expect(exclusion.covers("nightly", isRenamed: false))
        #expect(!exclusion.covers("web", isRenamed: true))
        #expect(exclusion.covers("nightly", isRenamed: true))
    }

    @Test(arguments: ["Zo\u{eb}", "Zo??", #"Zo\xc3\xab"#])
    func `is known in each form in which a server reports it`(reported: String) {
        #expect(SessionExclusion.byName(names, isGiven: true).covers(reported, isRenamed: false))
        #expect(SessionExclusion.byName(names, isGiven: false).covers(reported, isRenamed: true))
    }

    @Test func `matters for none that is excluded as a whole`() {
        #expect(SessionExclusion.whole.covers("web", isRenamed: true))
        #expect(!SessionExclusion.none.covers("nightly", isRenamed: true))
    }
}
