// The folder of one test run, and the process that outlives the run for a moment: it kills the remaining processes of
// the run and deletes the folder, whatever ended the run.

import Foundation
import Synchronization

/// The run's folder and its cleaner.
final class RunFolder: Sendable {
    static let shared = RunFolder()

    /// All files of the tests are in here. Other users may read it: PostgreSQL runs as another user.
    let path: String
    private let cleaner: pid_t
    private let lifeline: Int32
    private let lastNumber = Atomic<Int>(0)
    private let lastActions = Mutex<[@Sendable () -> Void]>([])

    /// Reads `+ PID` and `- PID` until the end of file, which comes with the end of the run, even by SIGKILL.
    private static let script = """
        declare -A alive
        while read -r verb pid; do
            if [[ $verb == + ]]; then alive[$pid]=1; else unset "alive[$pid]"; fi
        done
        for pid in "${!alive[@]}"; do kill -KILL -- "-$pid"; done
        rm -rf "$1"
        """

    private init() {
        var template = Array("/tmp/pgleash-tests.XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else {
            fatalError(unsafe "no temporary folder: \(String(cString: strerror(errno)))")
        }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        unsafe chmod(path, 0o755)
        guard let pipe = try? makePipe() else { fatalError("no pipe") }
        lifeline = pipe.write
        cleaner = spawn(
            "/usr/bin/env", ["bash", "-c", Self.script, "cleaner", path],
            input: pipe.read, output: "/dev/null", error: "/dev/null"
        )
        close(pipe.read)
        guard cleaner > 0 else { fatalError("no bash") }
        atexit { RunFolder.shared.clean() }
    }

    /// A path in the folder that was not used before.
    func newPath(_ name: String) -> String {
        "\(path)/\(lastNumber.wrappingAdd(1, ordering: .relaxed).newValue)-\(name)"
    }

    /// A new folder in the folder.
    func newFolder(_ name: String) -> String {
        let folder = newPath(name)
        unsafe mkdir(folder, 0o755)
        unsafe chmod(folder, 0o755)
        return folder
    }

    /// A new file with these contents.
    func newFile(_ name: String, _ contents: String) throws -> String {
        let file = newPath(name)
        try contents.write(toFile: file, atomically: false, encoding: .utf8)
        return file
    }

    /// The leader of a process group that is to be killed if the run ends before `remove`.
    func add(_ leader: pid_t) { tell("+ \(leader)\n") }

    func remove(_ leader: pid_t) { tell("- \(leader)\n") }

    private func tell(_ line: String) {
        // One write of a short line is atomic, whatever other threads write.
        let bytes = Array(line.utf8)
        _ = unsafe write(lifeline, bytes, bytes.count)
    }

    /// The actions at an orderly end of the tests.
    func atEnd(_ action: @escaping @Sendable () -> Void) {
        lastActions.withLock { $0.append(action) }
    }

    private func clean() {
        for action in lastActions.withLock({ $0 }) { action() }
        close(lifeline)
        waitpid(cleaner, nil, 0)
    }
}
