// swift-tools-version: 6.2
// The modules of pgleash, each below what it imports; docs/architecture.md says what each is for.

import PackageDescription

/// Every target is held to the same rules: no unsafe construct without the word, no warning left standing.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

/// The simulation is optimised in debug builds too, with what it uses, as it has 100,000 schedules to get through; and
/// so are the tidy tests, which look at each character of the sources. The product is built as ever, with all its checks.
let fast: [SwiftSetting] = [.unsafeFlags(["-O"])]

/// Without exported symbols, as nobody links against the program, and with its relative relocations packed (DT_RELR), it
/// is 1 MB smaller. The latter asks for glibc 2.36, Debian 12's, on the machine it runs on.
let small = LinkerSetting.unsafeFlags(
    ["-use-ld=lld", "-Xlinker", "--no-export-dynamic", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs"],
    .when(platforms: [.linux], configuration: .release)
)

/// What tests of the whole know.
let modules: [Target.Dependency] = [
    "CancelPolicy", "PostgresProtocol", "Proxy", "Reactor", "Settings", "TLS", "Telemetry", "Upstream",
]

/// What tests of single parts in a simulated world know.
let simulated =
    modules + [
        "Simulation", "TestSupport",
        .product(name: "InMemoryLogging", package: "swift-log"),
        .product(name: "Logging", package: "swift-log"),
    ]

let package = Package(
    name: "pgleash",
    products: [
        .executable(name: "pgleash", targets: ["pgleash"])
    ],
    dependencies: [
        // Neither depends on other packages, so their exact versions do what a Package.resolved does. That would name
        // commits as well, and where packages come from a mirror, a version may have another commit.
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    ],
    targets: [
        .systemLibrary(name: "CLibevent", pkgConfig: "libevent_core", providers: [.apt(["libevent-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .target(name: "PostgresProtocol"),
        .target(name: "CancelPolicy", dependencies: ["PostgresProtocol"]),
        .target(name: "Reactor", dependencies: ["CLibevent"]),
        .target(name: "TLS", dependencies: ["COpenSSL", "Reactor"]),
        .target(
            name: "Settings",
            dependencies: ["PostgresProtocol", "Reactor", "TLS", .product(name: "Logging", package: "swift-log")]
        ),
        .target(
            name: "Telemetry",
            dependencies: ["CancelPolicy", .product(name: "Logging", package: "swift-log")]
        ),
        .target(
            name: "Upstream",
            dependencies: [
                "CancelPolicy", "PostgresProtocol", "Reactor", "Settings", "TLS", "Telemetry",
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .target(
            name: "Proxy",
            dependencies: [
                "CancelPolicy", "PostgresProtocol", "Reactor", "Settings", "TLS", "Telemetry", "Upstream",
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .executableTarget(
            name: "pgleash",
            dependencies: [
                "Proxy", "Settings",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            linkerSettings: [small]
        ),
        .target(
            name: "FuzzTargets",
            dependencies: modules,
            path: "Tests/Fuzz/FuzzTargets"
        ),
        .target(
            name: "TestSupport",
            dependencies: ["Reactor"],
            path: "Tests/Support/TestSupport",
            swiftSettings: fast
        ),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets", "TestSupport"], path: "Tests/Unit/FuzzTests"),
        .testTarget(
            name: "PostgresProtocolTests", dependencies: ["PostgresProtocol", "TestSupport"],
            path: "Tests/Unit/PostgresProtocolTests"),
        .testTarget(name: "ReactorTests", dependencies: ["TestSupport", "Reactor"], path: "Tests/Unit/ReactorTests"),
        .testTarget(
            name: "TLSTests", dependencies: ["COpenSSL", "TestSupport", "Reactor", "TLS"], path: "Tests/Unit/TLSTests"),
        .target(
            name: "Simulation",
            dependencies: modules + ["TestSupport", .product(name: "Logging", package: "swift-log")],
            path: "Tests/Support/Simulation",
            swiftSettings: fast
        ),
        .testTarget(
            name: "CancelPolicyTests",
            dependencies: ["CancelPolicy", "FuzzTargets", "PostgresProtocol"],
            path: "Tests/Unit/CancelPolicyTests"
        ),
        .testTarget(
            name: "TelemetryTests",
            dependencies: ["Telemetry", .product(name: "Logging", package: "swift-log")],
            path: "Tests/Unit/TelemetryTests"
        ),
        .testTarget(
            name: "SettingsTests", dependencies: modules + ["Simulation", "TestSupport"],
            path: "Tests/Unit/SettingsTests"),
        .testTarget(name: "UpstreamTests", dependencies: simulated, path: "Tests/Unit/UpstreamTests"),
        .testTarget(name: "ProxyTests", dependencies: simulated, path: "Tests/Unit/ProxyTests"),
        .testTarget(
            name: "SimulationTests",
            dependencies: modules + ["Simulation", "TestSupport", .product(name: "Logging", package: "swift-log")],
            path: "Tests/Simulation",
            swiftSettings: fast
        ),
        .systemLibrary(
            name: "CLibpq",
            path: "Tests/Support/CLibpq",
            pkgConfig: "libpq",
            providers: [.apt(["libpq-dev"])]
        ),
        .testTarget(
            name: "IntegrationTests",
            dependencies: modules + ["CLibpq", "COpenSSL", "TestSupport", "pgleash"],
            path: "Tests/Integration"
        ),
        .testTarget(
            name: "TidyTests", dependencies: ["TestSupport"], path: "Tests/Unit/TidyTests", swiftSettings: fast),
    ],
    swiftLanguageModes: [.v6]
)

// It links only with `--sanitize=fuzzer`, which brings main(): `make fuzz` sets the variable and builds it so.
if Context.environment["PGLEASH_FUZZER"] != nil {
    package.targets.append(
        .executableTarget(
            name: "Fuzzer",
            dependencies: ["FuzzTargets"],
            path: "Tests/Fuzz/Fuzzer",
            swiftSettings: [.unsafeFlags(["-parse-as-library"])]
        )
    )
}

// No target is left out, whatever settings of its own it has.
for target in package.targets where target.type != .system {
    target.swiftSettings = strict + (target.swiftSettings ?? [])
}
