// Functions of the C library that Swift's module of it doesn't show.

import Foundation

/// The function of this name; `Function` is its type, a `@convention(c)` one.
func systemFunction<Function>(_ name: String) -> Function {
    guard let address = unsafe dlsym(nil, name) else { fatalError("this C library has no \(name)") }
    return unsafe unsafeBitCast(address, to: Function.self)
}
