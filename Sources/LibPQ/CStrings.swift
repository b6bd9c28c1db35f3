// Arrays of strings for libpq's functions.

import Glibc

/// Strings for C, as an array that a null pointer ends.
@safe final class CStrings {
    let pointer: UnsafeMutablePointer<UnsafePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        unsafe pointer = .allocate(capacity: count + 1)
        unsafe pointer.initialize(repeating: nil, count: count + 1)
        for (index, string) in strings.enumerated() { unsafe pointer[index] = UnsafePointer(strdup(string)) }
    }

    deinit {
        for index in 0..<count { unsafe free(UnsafeMutablePointer(mutating: pointer[index])) }
        unsafe pointer.deallocate()
    }
}
