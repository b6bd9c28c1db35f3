// The removal of comments and strings from Swift text, so that rules about code do not match prose.

/// `text` with a space for each character of a comment or a string; line breaks and interpolated code stay.
func codeOnly(_ text: String) -> String {
    var scanner = CodeScanner(Array(text))
    return scanner.run()
}

private struct CodeScanner {
    /// The context of the scanner, the innermost one last.
    private enum Place: Equatable {
        /// A string that ends with this many quotes and hashes.
        case string(quotes: Int, hashes: Int)
        /// An interpolation with this many open parentheses.
        case interpolation(open: Int)
        case lineComment
        case blockComment
    }

    private let text: [Character]
    private var index = 0
    private var places: [Place] = []
    private var code: [Character] = []

    init(_ text: [Character]) {
        self.text = text
        code.reserveCapacity(text.count)
    }

    mutating func run() -> String {
        while index < text.count {
            switch places.last {
            case .lineComment:
                if text[index] == "\n" { places.removeLast() }
                blank(1)
            case .blockComment:
                if stands("*/") {
                    places.removeLast()
                    blank(2)
                } else {
                    openBlockCommentOrBlank()
                }
            case .string(let quotes, let hashes): passString(quotes, hashes)
            case .interpolation, nil: passCode()
            }
        }
        return String(code)
    }

    private mutating func openBlockCommentOrBlank() {
        if stands("/*") {
            places.append(.blockComment)
            blank(2)
        } else {
            blank(1)
        }
    }

    private mutating func passCode() {
        if stands("//") {
            places.append(.lineComment)
        } else if stands("/*") {
            openBlockCommentOrBlank()
        } else if let (quotes, hashes) = openingQuotes() {
            places.append(.string(quotes: quotes, hashes: hashes))
            blank(quotes + hashes)
        } else {
            if case .interpolation(let open) = places.last { passParenthesis(open) }
            code.append(text[index])
            index += 1
        }
    }

    private mutating func passParenthesis(_ open: Int) {
        switch text[index] {
        case "(": places[places.count - 1] = .interpolation(open: open + 1)
        case ")" where open == 1: places.removeLast()
        case ")": places[places.count - 1] = .interpolation(open: open - 1)
        default: break
        }
    }

    private mutating func passString(_ quotes: Int, _ hashes: Int) {
        let escape = "\\" + String(repeating: "#", count: hashes)
        if stands(escape + "(") {
            // The parenthesis itself is code, as is the closing one.
            blank(escape.count)
            places.append(.interpolation(open: 0))
        } else if stands(escape) {
            blank(escape.count + 1)
        } else if stands(String(repeating: "\"", count: quotes) + String(repeating: "#", count: hashes)) {
            places.removeLast()
            blank(quotes + hashes)
        } else {
            blank(1)
        }
    }

    /// The end of the string that begins here, if one does.
    private func openingQuotes() -> (quotes: Int, hashes: Int)? {
        let hashes = text[index...].prefix { $0 == "#" }.count
        let quotes = text[(index + hashes)...].prefix { $0 == "\"" }.count
        return quotes == 0 ? nil : (quotes >= 3 ? 3 : 1, hashes)
    }

    private func stands(_ word: String) -> Bool {
        text[index...].starts(with: word)
    }

    private mutating func blank(_ count: Int) {
        for character in text[index..<min(index + count, text.count)] { code.append(character == "\n" ? "\n" : " ") }
        index = min(index + count, text.count)
    }
}
