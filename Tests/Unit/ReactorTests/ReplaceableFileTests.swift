// Replacing a file: it is complete at each moment, with the same permissions as before, and no other file changes.

import Glibc
import Reactor
import TestSupport
import Testing

/// The result of lstat(2) for `path`; nil where there is no file.
private func status(_ path: String) -> stat? {
    var status = stat()
    return unsafe lstat(path, &status) == 0 ? status : nil
}

private func replace(_ path: String, with text: String) throws {
    try ReplaceableFile(at: path).replace(with: text)
}

private func names(in directory: String) -> [String] {
    guard let folder = unsafe opendir(directory) else { return [] }
    defer { unsafe closedir(folder) }
    var names: [String] = []
    while let entry = unsafe readdir(folder) {
        let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) {
            unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
}

extension RealLoop {
    @Suite struct `A file that is replaced` {
        @Test func `is made where there is none, with the mode that the umask leaves`() throws {
            try withTemporaryDirectory { directory in
                let before = umask(0o027)
                defer { _ = umask(before) }
                try replace(directory + "/new", with: "text\n")
                #expect(readText(directory + "/new") == "text\n")
                #expect(status(directory + "/new")?.st_mode == S_IFREG | 0o640)
                umask(0)
                try replace(directory + "/open", with: "")
                #expect(status(directory + "/open")?.st_mode == S_IFREG | 0o644)
                #expect(names(in: directory) == ["new", "open"])
            }
        }

        @Test(arguments: [0o600, 0o640, 0o666, 0o444] as [mode_t]) func `keeps its mode`(mode: mode_t) throws {
            try withTemporaryDirectory { directory in
                let path = directory + "/file"
                unsafe close(open(path, O_CREAT | O_WRONLY, 0o600))
                unsafe chmod(path, mode)
                let inode = status(path)?.st_ino
                try replace(path, with: "new")
                #expect(readText(path) == "new")
                #expect(status(path)?.st_mode == S_IFREG | mode)
                #expect(status(path)?.st_ino != inode, "readers of the old one are not disturbed")
                #expect(names(in: directory) == ["file"])
            }
        }

        @Test(.enabled(if: geteuid() == 0)) func `keeps its owner`() throws {
            try withTemporaryDirectory { directory in
                let path = directory + "/file"
                unsafe close(open(path, O_CREAT | O_WRONLY, 0o640))
                try #require(unsafe chown(path, 12_345, 23_456) == 0)
                try replace(path, with: "new")
                let kept = try #require(status(path))
                #expect(kept.st_uid == 12_345 && kept.st_gid == 23_456 && kept.st_mode == S_IFREG | 0o640)
            }
        }

        @Test(.enabled(if: geteuid() == 0)) func `gives no other user access where its owner can't be kept`() async {
            await #expect(processExitsWith: .success) {
                try withTemporaryDirectory { directory in
                    let path = directory + "/file"
                    close(unsafe open(path, O_CREAT | O_WRONLY, 0o600))
                    unsafe chmod(path, 0o664)
                    try #require(unsafe chown(directory, 12_345, 23_456) == 0)
                    try #require(setgroups(0, nil) == 0 && setgid(23_456) == 0 && setuid(12_345) == 0)
                    try replace(path, with: "new")
                    let kept = try #require(status(path))
                    #expect(kept.st_uid == 12_345 && kept.st_gid == 23_456 && kept.st_mode == S_IFREG | 0o644)
                }
            }
        }

        @Test func `may be reached by symbolic links, which stay`() throws {
            try withTemporaryDirectory { directory in
                unsafe mkdir(directory + "/folder", 0o755)
                unsafe symlink("folder/inner", directory + "/outer")
                unsafe symlink(directory + "/folder/file", directory + "/folder/inner")
                for text in ["made", "replaced"] {
                    try replace(directory + "/outer", with: text)
                    #expect(readText(directory + "/folder/file") == text)
                }
                #expect(status(directory + "/outer")?.st_mode == S_IFLNK | 0o777)
                #expect(status(directory + "/folder/inner")?.st_mode == S_IFLNK | 0o777)
                #expect(names(in: directory + "/folder") == ["file", "inner"])
                unsafe symlink("loop", directory + "/loop")
                let isEndless = ReplacementError.system(SystemError(ELOOP))
                #expect(throws: isEndless) { try replace(directory + "/loop", with: "") }
            }
        }

        @Test func `is nothing but a regular file`() throws {
            try withTemporaryDirectory { directory in
                unsafe mkdir(directory + "/folder", 0o755)
                unsafe mkfifo(directory + "/pipe", 0o600)
                unsafe symlink("/dev/null", directory + "/link")
                try withLoop { loop in
                    let listener = try Listener(loop: loop, address: .unix(path: directory + "/socket")) { _ in }
                    for name in ["folder", "pipe", "link", "socket"] {
                        let path = directory + "/" + name
                        let before = status(path)
                        #expect(throws: ReplacementError.notRegular, "\(name)") { try replace(path, with: "") }
                        #expect(status(path)?.st_ino == before?.st_ino && status(path)?.st_mode == before?.st_mode)
                    }
                    withExtendedLifetime(listener) {}
                }
                #expect(status("/dev/null")?.st_mode == S_IFCHR | 0o666)
                #expect(names(in: directory) == ["folder", "link", "pipe"])
                #expect(ReplacementError.notRegular.description == "it is not a regular file")
            }
        }

        @Test func `stays as it is when the new one can't be written`() throws {
            #expect(throws: ReplacementError.system(SystemError(ENOENT))) { try replace("/no/such/file", with: "") }
            #expect(throws: ReplacementError.system(SystemError(ENOTDIR))) { try replace("/dev/null/file", with: "") }
            try withTemporaryDirectory { directory in
                let path = directory + "/file"
                try replace(path, with: "old")
                var before = rlimit()
                let resource = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
                unsafe getrlimit(resource, &before)
                let ignored = signal(SIGXFSZ, SIG_IGN)
                var small = rlimit(rlim_cur: 10, rlim_max: before.rlim_max)
                unsafe setrlimit(resource, &small)
                let isTooLarge = ReplacementError.system(SystemError(EFBIG))
                #expect(throws: isTooLarge) { try replace(path, with: String(repeating: "x", count: 100)) }
                unsafe setrlimit(resource, &before)
                signal(SIGXFSZ, ignored)
                #expect(readText(path) == "old")
                #expect(names(in: directory) == ["file"])
            }
        }
    }
}
