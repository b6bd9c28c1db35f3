// The files that `make install` installs, and those that `make uninstall` leaves.

import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    @Suite struct `make install` {
        /// The folder in place of the root of the file system.
        private let root = RunFolder.shared.newFolder("root")

        private func make(_ target: String, _ variables: [String]) throws {
            // The make that runs the tests passes its variables on.
            let run = try ChildProcess.run(
                Programs.system("make"),
                ["-C", Programs.root, target, "RELEASE=\(Programs.pgleash)", "DESTDIR=\(root)"] + variables,
                environment: ["MAKEFLAGS": "", "MAKELEVEL": "", "HOME": "/home/anna"]
            )
            #expect(run.exit == .code(0), "\(run.error)")
        }

        /// The paths of all files below the root.
        private var files: [String] {
            let paths = FileManager.default.subpaths(atPath: root) ?? []
            return paths.map { "/" + $0 }.filter { path in
                var isFolder: ObjCBool = false
                return unsafe FileManager.default.fileExists(atPath: root + path, isDirectory: &isFolder)
                    && !isFolder.boolValue
            }.sorted()
        }

        @Test(arguments: [
            ([], "/usr/local/bin", "/etc", "/usr/local/lib/systemd/system"),
            (["PREFIX=/usr"], "/usr/bin", "/etc", "/usr/lib/systemd/system"),
            (["PREFIX=/opt/pgleash"], "/opt/pgleash/bin", "/opt/pgleash/etc", "/opt/pgleash/lib/systemd/system"),
            (
                ["PREFIX=/home/anna/.local"], "/home/anna/.local/bin", "/home/anna/.local/etc",
                "/home/anna/.local/share/systemd/user"
            ),
            (["PREFIX=/usr", "sysconfdir=/srv/etc"], "/usr/bin", "/srv/etc", "/usr/lib/systemd/system"),
        ])
        func `installs everything, and removes all but the configuration`(
            variables: [String], programs: String, settings: String, units: String
        ) throws {
            let (program, unit) = (programs + "/pgleash", units + "/pgleash.service")
            let configuration = settings + "/pgleash/pgleash.conf"
            try make("install", variables)
            let share = programs.replacing("/bin", with: "/share")
            let manual = ["man1/pgleash.1", "man5/pgleash.conf.5"].map { share + "/man/" + $0 }
            let completions = [
                "bash-completion/completions/pgleash", "fish/vendor_completions.d/pgleash.fish",
                "zsh/site-functions/_pgleash",
            ].map { "\(share)/\($0)" }
            #expect(files == ([program, configuration, unit] + manual + completions).sorted())
            for file in completions { #expect(readText(root + file)?.contains("check-config") == true, "\(file)") }
            let lines = try #require(readText(root + unit)).split(separator: "\n")
            #expect(lines.contains("ExecStart=\(program) --config \(configuration)"))
            let check = try ChildProcess.run(root + program, ["--config", root + configuration, "--check-config"])
            #expect(check.exit == .code(0), "\(check.error)")
            try make("uninstall", variables)
            #expect(files == [configuration])
        }

        @Test func `leaves a configuration alone that is already there`() throws {
            let folder = root + "/etc/pgleash"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try "# mine\n".write(toFile: folder + "/pgleash.conf", atomically: false, encoding: .utf8)
            try make("install", [])
            #expect(readText(folder + "/pgleash.conf") == "# mine\n")
        }
    }
}
