// The text files of the repository, which are the input of all rules; a bad example is a tree, too.

import Foundation
import TestSupport

/// Files by their path from the root of the repository.
struct Tree: Sendable {
    var files: [String: String]
    /// All files and folders.
    private var others: Set<String> = []

    init(_ files: [String: String]) { self.files = files }

    /// Whether there is a file or folder at `path`.
    func has(_ path: String) -> Bool {
        files[path] != nil || others.contains(path) || files.keys.contains { $0.hasPrefix(path + "/") }
    }

    /// The repository in which the tests were compiled.
    static func repository() throws -> Tree {
        let root = Repository.root
        var tree = Tree([:])
        for path in try FileManager.default.contentsOfDirectory(atPath: root.path) {
            // Without build products and git's files.
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

    /// Whether rules check the file.
    private static func isRead(_ path: String) -> Bool {
        path.hasSuffix(".swift") || path.hasSuffix(".md") || path.hasPrefix("man/") || path == bugsPath
    }

    /// The Swift files below `directory`, sorted by their paths.
    func swiftFiles(below directory: String) -> [SwiftFile] {
        files.filter { $0.key.hasPrefix(directory + "/") && $0.key.hasSuffix(".swift") }
            .map { SwiftFile(path: $0.key, text: $0.value) }
            .sorted { $0.path < $1.path }
    }

    /// The lines of the file at `path`, none if it does not exist.
    func lines(of path: String) -> [Substring] {
        lineArray(files[path] ?? "")
    }
}

/// One Swift file: its text, and its code only.
struct SwiftFile {
    let path: String
    let lines: [Substring]
    /// The same lines with spaces instead of comments and strings.
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

/// A violation of a rule.
struct Finding: Equatable, CustomStringConvertible, Sendable {
    let file: String
    let line: Int
    let message: String

    init(_ file: String, _ line: Int, _ message: String) {
        self.file = file
        self.line = line
        self.message = message
    }

    /// In the format of compilers, which editors support.
    var description: String { "\(file):\(line): \(message)" }
}

/// The lines of `text`, without the empty one after the last line break.
func lineArray(_ text: String) -> [Substring] {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines
}
