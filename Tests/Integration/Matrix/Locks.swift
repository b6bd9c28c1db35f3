// The setup of activities on a server before a client is in the middle of them.

/// Tables, and the sessions that lock them for as long as the object exists.
struct Locks {
    private var holders: [String: LibpqClient] = [:]

    mutating func prepare(_ activity: Activity, on server: PrivatePostgres) throws {
        if let sql = activity.setUp { try server.query(sql) }
        guard let lock = activity.lock, holders["\(server.port) \(lock)"] == nil else { return }
        let holder = try LibpqClient(port: server.port, name: "holder")
        try holder.query("BEGIN; \(lock)")
        holders["\(server.port) \(lock)"] = holder
    }
}
