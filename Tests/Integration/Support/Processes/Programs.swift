// The paths of the programs that the tests run: the tested pgleash and PostgreSQL's programs.

import Foundation
import TestSupport

enum Programs {
    /// The repository.
    static let root = Repository.root.path

    /// The tested program: the one that the environment names, such as a release build for measurements, or the one
    /// that is built into the folder of the test bundle. That is this executable or, where a helper loads it, named on
    /// its command line.
    static let pgleash: String = {
        if let named = ProcessInfo.processInfo.environment["PGLEASH_PROGRAM"] { return named }
        let own = [try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")].compactMap { $0 }
        let named = CommandLine.arguments.filter { $0.contains(".xctest") }
        for place in own + named {
            var folder = URL(filePath: place)
            // The bundle may be a folder with the executable somewhere inside.
            for _ in 0..<4 {
                folder.deleteLastPathComponent()
                let candidate = folder.appending(path: "pgleash").path
                var isFolder: ObjCBool = false
                guard unsafe FileManager.default.fileExists(atPath: candidate, isDirectory: &isFolder) else { continue }
                if !isFolder.boolValue { return candidate }
            }
        }
        fatalError("there is no pgleash beside the tests: \(own + named)")
    }()

    /// Whether the tests, and the pgleash built with them, use a sanitizer: then its memory is mostly the sanitizer's.
    static let areSanitized = unsafe dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil

    /// One of PostgreSQL's programs: from the newest of Debian's versions, otherwise from the PATH.
    static func postgres(_ name: String) -> String {
        let base = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: base)) ?? []).compactMap(Int.init)
        let places = versions.sorted(by: >).map { "\(base)/\($0)/bin" } + path
        return find(name, in: places)
    }

    /// The major version of both the server and psql: the older one where they differ.
    static let postgresVersion: Int = {
        let versions = ["postgres", "psql"].map { name in
            // Such as "psql (PostgreSQL) 17.6 (Debian 17.6-1)", or "17beta1".
            let answer = (try? ChildProcess.run(postgres(name), ["--version"]).output) ?? ""
            let number = answer.split(separator: ") ").dropFirst().first?.prefix(while: \.isNumber) ?? ""
            return Int(number) ?? 0
        }
        return versions.min() ?? 0
    }()

    /// A program of Debian with its dependencies: another one on the PATH may lack these.
    static func debian(_ name: String) -> String { find(name, in: ["/usr/bin"] + path) }

    /// The folder of small programs in other languages that are written for the tests.
    static let sources = root + "/Tests/Data/Programs"

    /// A program on the PATH.
    static func system(_ name: String) -> String { find(name, in: path) }

    private static let path =
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        + ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]

    private static func find(_ name: String, in places: [String]) -> String {
        let found = places.map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let found else { fatalError("\(name) is missing: scripts/install-dependencies test installs it") }
        return found
    }
}
