// The test of the repository's own rules.

import Testing

@Suite struct `The repository` {
    @Test(arguments: sourceRules + documentRules) func `keeps the rule that`(_ rule: Rule) throws {
        for finding in rule.findings(try Tree.repository()) {
            Issue.record("\(finding)")
        }
    }
}
