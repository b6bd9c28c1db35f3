// The check of relative links in Markdown files: to files that are not in the repository, and to headings that are not
// in their document. Links to other sites are not checked.

/// A finding for each broken link of `document`.
func deadLinks(in document: String, of tree: Tree) -> [Finding] {
    let pattern = /\]\(([^)\s]+)\)/
    return prose(tree.lines(of: document)).enumerated().flatMap { offset, line in
        line.matches(of: pattern).map { String($0.1) }
            .filter { !isElsewhere($0) && !leads($0, from: document, in: tree) }
            .map { Finding(document, offset + 1, "the link \($0) leads nowhere") }
    }
}

private func isElsewhere(_ link: String) -> Bool { link.contains("://") || link.hasPrefix("mailto:") }

private func leads(_ link: String, from document: String, in tree: Tree) -> Bool {
    let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let path = parts[0].isEmpty ? document : resolved(parts[0], from: document), tree.has(path) else {
        return false
    }
    guard parts.count == 2, path.hasSuffix(".md") else { return true }
    return anchors(tree.lines(of: path)).contains(parts[1])
}

/// The path from the root of the repository; nil for one outside of it.
private func resolved(_ link: String, from document: String) -> String? {
    var folders = document.split(separator: "/").dropLast().map(String.init)
    for part in link.split(separator: "/") where part != "." {
        if part != ".." {
            folders.append(String(part))
        } else if folders.popLast() == nil {
            return nil
        }
    }
    return folders.joined(separator: "/")
}

/// The anchors that GitHub gives to headings: lower case, hyphens for spaces, no punctuation; a number for a heading
/// that occurred before.
private func anchors(_ lines: [Substring]) -> Set<String> {
    var anchors: Set<String> = []
    for heading in prose(lines).compactMap({ $0.firstMatch(of: /^#{1,6} +(.*)/)?.1 }) {
        let anchor = String(
            heading.lowercased().compactMap { character in
                if character == " " { return "-" }
                return character.isLetter || character.isNumber || "-_".contains(character) ? character : nil
            }
        )
        let free = ([anchor] + (1...99).map { "\(anchor)-\($0)" }).first { !anchors.contains($0) }
        anchors.insert(free ?? anchor)
    }
    return anchors
}

/// The lines without blocks of code and code in a line.
private func prose(_ lines: [Substring]) -> [String] {
    var isCode = false
    return lines.map { line in
        if line.drop(while: { $0 == " " }).hasPrefix("```") {
            isCode.toggle()
            return ""
        }
        return isCode ? "" : withoutCode(line)
    }
}

/// A heading keeps its words, code included.
private func withoutCode(_ line: Substring) -> String {
    String(line.hasPrefix("#") ? line : line.replacing(/`[^`]*`/, with: ""))
}
