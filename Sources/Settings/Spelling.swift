// Suggestions for misspelt words.

/// The word that was probably meant; nil where that would be a guess.
func nearestWord(to word: String, among known: [String]) -> String? {
    let nearest = known.map { (word: $0, distance: editDistance(word, $0)) }.min { $0.distance < $1.distance }
    guard let nearest else { return nil }
    if nearest.distance == 1 { return nearest.word }
    // Shorter words are part of too many.
    if word.count >= 3 {
        if let match = known.first(where: { $0.hasPrefix(word) || word.hasPrefix($0) }) { return match }
        if let match = known.first(where: { $0.hasSuffix(word) || word.hasSuffix($0) }) { return match }
    }
    // Two edits are two exchanged letters, in the shortest words.
    return nearest.distance <= max(2, word.count / 3) ? nearest.word : nil
}

/// The number of characters that must be added, removed or replaced to change one word to the other (Levenshtein
/// distance).
func editDistance(_ left: String, _ right: String) -> Int {
    let (left, right) = (Array(left), Array(right))
    var row = Array(0...right.count)
    for (i, character) in left.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for j in right.indices {
            let above = row[j + 1]
            row[j + 1] = min(above + 1, row[j] + 1, diagonal + (right[j] == character ? 0 : 1))
            diagonal = above
        }
    }
    return row[right.count]
}
