// The process's environment.

import Glibc

/// The value of an environment variable; nil where it is not set.
package func environmentVariable(_ name: String) -> String? {
    unsafe getenv(name).map { unsafe String(cString: $0) }
}

/// The environment variables whose names begin with `prefix`, sorted by name.
package func environmentVariables(beginningWith prefix: String) -> [(name: String, value: String)] {
    var variables: [(name: String, value: String)] = []
    var next = unsafe environ
    while let entry = unsafe next.pointee {
        // By code units: a combining character may follow the first "=".
        let text = unsafe String(cString: entry).utf8
        if text.starts(with: prefix.utf8), let equals = text.firstIndex(of: UInt8(ascii: "=")) {
            variables.append((String(Substring(text[..<equals])), String(Substring(text[equals...].dropFirst()))))
        }
        unsafe next += 1
    }
    return variables.sorted { $0.name < $1.name }
}
