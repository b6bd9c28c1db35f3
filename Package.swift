// swift-tools-version: 6.2
// The rooms of pgleash. Imports run one way: pgleash → Leash → { PostgresWire, Reactor, Probe }.

import PackageDescription

/// Every target is held to the same rules: no unsafe construct without the word, no warning left standing.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

let package = Package(
    name: "pgleash",
    targets: [
        .systemLibrary(name: "CLibevent", pkgConfig: "libevent_core", providers: [.apt(["libevent-dev"])]),
        .target(name: "PostgresWire", swiftSettings: strict),
        .target(name: "Reactor", dependencies: ["CLibevent"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
