// swift-tools-version: 6.2
// The modules of pgleash, each after those that it imports; docs/architecture.md describes them.

import PackageDescription

/// The settings of all targets: unsafe constructs must be marked, and warnings are errors.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

/// The simulation and its dependencies are optimized in debug builds, too, as it runs 100,000 schedules; and so are the
/// tidy tests, which read each character of the sources. All run-time checks of the product stay enabled.
let fast: [SwiftSetting] = [.unsafeFlags(["-O"])]

/// Modules without code that runs for each message are optimized for size.
let compact: [SwiftSetting] = [.unsafeFlags(["-Osize"], .when(configuration: .release))]

/// The program exports no symbols, as nothing links against it, and its relative relocations are packed (DT_RELR). This
/// makes it 1 MB smaller. The latter requires glibc 2.36, that of Debian 12, at run time.
let small = LinkerSetting.unsafeFlags(
    ["-use-ld=lld", "-Xlinker", "--no-export-dynamic", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs"],
    .when(platforms: [.linux], configuration: .release)
)

/// The modules that tests of the whole program use.
let modules: [Target.Dependency] = [
    "CancelPolicy", "HTTP", "LibPQ", "PostgresProtocol", "Proxy", "Reactor", "Settings", "TLS", "Telemetry", "Upstream",
]

/// The dependencies of tests of single parts in a simulated world.
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
        // Neither depends on other packages, so exact versions replace a Package.resolved. That would also contain
        // commits, and on a mirror the commit of a version can differ.
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    ],
    targets: [
        // The whole library: its parts, libevent_core and libevent_extra, would take more memory together.
        .systemLibrary(name: "CLibevent", pkgConfig: "libevent", providers: [.apt(["libevent-dev"])]),
        .systemLibrary(name: "CEvhttp", pkgConfig: "libevent", providers: [.apt(["libevent-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .target(name: "PostgresProtocol"),
        .target(name: "CancelPolicy", dependencies: ["PostgresProtocol"]),
        .target(name: "Reactor", dependencies: ["CLibevent"]),
        .target(name: "HTTP", dependencies: ["CEvhttp", "Reactor"], swiftSettings: compact),
        .target(name: "TLS", dependencies: ["COpenSSL", "Reactor"]),
        .target(name: "LibPQ", dependencies: ["Reactor"]),
        .target(
            name: "Settings",
            dependencies: ["PostgresProtocol", "Reactor", "TLS", .product(name: "Logging", package: "swift-log")],
            swiftSettings: compact
        ),
        .target(
            name: "Telemetry",
            dependencies: ["CancelPolicy", .product(name: "Logging", package: "swift-log")],
            swiftSettings: compact
        ),
        .target(
            name: "Upstream",
            dependencies: [
                "CancelPolicy", "LibPQ", "PostgresProtocol", "Reactor", "Settings", "TLS", "Telemetry",
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .target(
            name: "Proxy",
            dependencies: [
                "CancelPolicy", "HTTP", "LibPQ", "PostgresProtocol", "Reactor", "Settings", "TLS", "Telemetry",
                "Upstream",
                .product(name: "Logging", package: "swift-log"),
            ],
            // The page becomes part of the program.
            resources: [.embedInCode("Status/page.html")]
        ),
        .executableTarget(
            name: "pgleash",
            dependencies: [
                "Proxy", "Settings",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: compact,
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
        .testTarget(name: "HTTPTests", dependencies: ["HTTP", "Reactor", "TestSupport"], path: "Tests/Unit/HTTPTests"),
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
