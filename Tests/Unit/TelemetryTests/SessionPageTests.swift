// The sessions that a query selects.

import Testing

@testable import Telemetry

@Suite struct `A query for sessions` {
    private let sessions: [SessionSnapshot] = (0..<30).map { Self.session($0) }

    private static func session(_ index: Int) -> SessionSnapshot {
        let isBusy = index < 5
        return SessionSnapshot(
            client: "10.0.0.\(index / 10):\(1000 + index)", user: index % 2 == 0 ? "app" : "etl",
            database: index % 3 == 0 ? "shop" : "archive", applicationName: "web", processID: UInt32(index),
            state: isBusy ? "active" : "idle", encryption: .none, age: .seconds(100 - index),
            queryAge: isBusy ? .milliseconds(5000 - index) : nil
        )
    }

    private func numbers(_ parameters: [(name: String, value: String?)]) throws -> [Int] {
        let page = try SessionQuery(parameters).page(of: sessions, at: "now")
        guard case .object(let members) = page, case .array(let elements)? = members.last?.value else { return [] }
        return elements.compactMap { element in
            guard case .object(let fields) = element, case .integer(let pid) = fields[4].value else { return nil }
            return Int(pid)
        }
    }

    @Test func `selects all without filters, up to its limit`() throws {
        #expect(try numbers([]) == Array(0..<30))
        #expect(try numbers([("limit", "2")]) == [0, 1])
        #expect(try numbers([("limit", "2"), ("offset", "28")]) == [28, 29])
        #expect(try numbers([("offset", "30")]) == [])
        #expect(try numbers([("offset", "2000000000")]) == [])
    }

    @Test func `selects by user, database, state and the beginning of an address, all together`() throws {
        #expect(try numbers([("user", "etl")]) == Array(stride(from: 1, to: 30, by: 2)))
        #expect(try numbers([("database", "shop")]) == Array(stride(from: 0, to: 30, by: 3)))
        #expect(try numbers([("state", "active")]) == Array(0..<5))
        #expect(try numbers([("address", "10.0.0.1:")]) == Array(10..<20))
        #expect(try numbers([("address", "10.0.0.1:"), ("user", "app"), ("database", "shop")]) == [12, 18])
        #expect(try numbers([("user", "App")]) == [])
        #expect(try numbers([("user", "")]) == [])
    }

    @Test func `says how many there are and how many it selects`() throws {
        let page = try SessionQuery([("state", "active"), ("limit", "1"), ("offset", "1")]).page(
            of: sessions, at: "now")
        #expect(
            page.text
                == #"{"time":"now","total":30,"matching":5,"offset":1,"limit":1,"sessions":[{"client":"10.0.0.0:1001","#
                + #""user":"etl","database":"archive","application_name":"web","pid":1,"state":"active","ssl":"none","#
                + #""age":99.0,"query":4.999}]}"#
        )
    }

    @Test(arguments: [
        ("limit", "0"), ("limit", "1001"), ("limit", "-1"), ("limit", "x"), ("limit", nil), ("offset", "-1"),
        ("offset", "99999999999999999999"), ("name", "x"), ("USER", "x"),
    ])
    func `is refused with another parameter`(name: String, value: String?) {
        #expect(throws: SessionQuery.Invalid.self) { try SessionQuery([(name, value)]) }
    }
}
