// What was probably meant by a word that is unknown.

/// The one that was probably meant; nil where that would be a guess.
func nearestWord(to word: String, among known: [String]) -> String? {
    let nearest = known.map { (word: $0, distance: editDistance(word, $0)) }.min { $0.distance < $1.distance }
    guard let nearest else { return nil }
    if nearest.distance == 1 { return nearest.word }
    // Shorter ones are in too many.
    if word.count >= 3 {
        if let match = known.first(where: { $0.hasPrefix(word) || word.hasPrefix($0) }) { return match }
        if let match = known.first(where: { $0.hasSuffix(word) || word.hasSuffix($0) }) { return match }
    }
    // Two are two letters that have changed places, in the shortest of words.
    return nearest.distance <= max(2, word.count / 3) ? nearest.word : nil
}

/// How many characters must be added, removed or replaced to make one word the other (Levenshtein).
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
