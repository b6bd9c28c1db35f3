// The text files of the repository, which all rules are functions of; a bad example is a tree as well.

import Foundation
import TestSupport

/// Files by their path from the root of the repository.
struct Tree: Sendable {
    var files: [String: String]
    /// Files and folders that are there, of whatever kind.
    private var others: Set<String> = []

    init(_ files: [String: String]) { self.files = files }

    /// Whether there is a file or folder at `path`.
    func has(_ path: String) -> Bool {
        files[path] != nil || others.contains(path) || files.keys.contains { $0.hasPrefix(path + "/") }
    }

    /// What is in the repository that the tests were compiled in.
    static func repository() throws -> Tree {
        let root = Repository.root
        var tree = Tree([:])
        for path in try FileManager.default.contentsOfDirectory(atPath: root.path) {
            // Neither what was built nor what is git's.
            guard path != ".build", path != ".git" else { continue }
            tree.others.insert(path)
            let below = try? FileManager.default.subpathsOfDirectory(atPath: root.appending(path: path).path)
            tree.others.formUnion((below ?? []).map { "\(path)/\($0)" })
        }
        for path in tree.others where isRead(path) {
            tree.files[path] = try String(contentsOf: root.appending(path: path), encoding: .utf8)
        }
        return tree
    }

    /// Whether rules look into the file.
    private static func isRead(_ path: String) -> Bool {
        path.hasSuffix(".swift") || path.hasSuffix(".md") || path.hasPrefix("man/") || path == bugsPath
    }

    /// The Swift files below `directory`, sorted by their paths.
    func swiftFiles(below directory: String) -> [SwiftFile] {
        files.filter { $0.key.hasPrefix(directory + "/") && $0.key.hasSuffix(".swift") }
            .map { SwiftFile(path: $0.key, text: $0.value) }
            .sorted { $0.path < $1.path }
    }

    /// The lines of the file at `path`, none when it is not there.
    func lines(of path: String) -> [Substring] {
        lineArray(files[path] ?? "")
    }
}

/// One Swift file, as it is and without what is not code.
struct SwiftFile {
    let path: String
    let lines: [Substring]
    /// The same lines with blanks in the place of comments and strings.
    let code: [Substring]

    init(path: String, text: String) {
        self.path = path
        lines = lineArray(text)
        code = lineArray(codeOnly(text))
    }

    var name: String { String(path.split(separator: "/").last ?? "") }

    var folder: String { path.split(separator: "/").dropLast().joined(separator: "/") }

    /// The target the file belongs to, `Proxy` in `Sources/Proxy/Session/Pipe.swift`.
    var module: String { String(path.split(separator: "/").dropFirst().first ?? "") }

    /// A finding for each line in which `pattern` occurs.
    func findings(_ lines: [Substring], _ pattern: some RegexComponent, _ message: String) -> [Finding] {
        lines.enumerated().filter { $0.element.contains(pattern) }
            .map { Finding(path, $0.offset + 1, message) }
    }
}

/// A place where a rule is not kept.
struct Finding: Equatable, CustomStringConvertible, Sendable {
    let file: String
    let line: Int
    let message: String

    init(_ file: String, _ line: Int, _ message: String) {
        self.file = file
        self.line = line
        self.message = message
    }

    /// As compilers write it, so that editors find the place.
    var description: String { "\(file):\(line): \(message)" }
}

/// The lines of `text`, without the empty one behind the last line break.
func lineArray(_ text: String) -> [Substring] {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines
}
