// Functions of the C library that Swift's Glibc module lacks.

import Foundation

/// The function of this name; `Function` is its type, a `@convention(c)` one.
func systemFunction<Function>(_ name: String) -> Function {
    guard let address = unsafe dlsym(nil, name) else { fatalError("this C library has no \(name)") }
    return unsafe unsafeBitCast(address, to: Function.self)
}
