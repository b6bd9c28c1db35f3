// A regular file that is replaced in one step for its readers, and keeps its mode and owner.

import Glibc

/// Why a file can't be replaced.
package enum ReplacementError: Error, Equatable, CustomStringConvertible {
    /// A device, a folder, a socket or a pipe.
    case notRegular
    case system(SystemError)

    package var description: String {
        switch self {
        case .notRegular: "it is not a regular file"
        case .system(let error): "\(error)"
        }
    }
}

/// A file that is there, or may be made.
package struct ReplaceableFile {
    private let path: String
    /// Of the file that is there.
    private let status: stat?

    /// - Parameter path: symbolic links are followed; it is not the link that is replaced.
    package init(at path: String) throws(ReplacementError) {
        var status = stat()
        if unsafe stat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFREG else { throw .notRegular }
            self.status = status
        } else {
            guard SystemError.last.code == ENOENT else { throw .system(.last) }
            self.status = nil
        }
        do throws(SystemError) {
            self.path = try Self.followingLinks(path)
        } catch {
            throw .system(error)
        }
    }

    /// The file is there, or may be made: its directory exists, as far as may be seen.
    package var hasDirectory: Bool {
        var status = stat()
        return unsafe stat(String(Self.folder(of: path)), &status) == 0 || SystemError.last.code != ENOENT
    }

    /// Replaces the file, or makes one of mode 0644 without what the umask takes away. Nothing waits for the disk:
    /// after a crash of the machine the file may be empty.
    package func replace(with text: String) throws(ReplacementError) {
        let temporary = "\(Self.folder(of: path))/.pgleash-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        do throws(SystemError) {
            try write(text, to: temporary)
            guard unsafe rename(temporary, path) == 0 else { throw .last }
        } catch {
            unsafe unlink(temporary)
            throw .system(error)
        }
    }

    private func write(_ text: String, to temporary: String) throws(SystemError) {
        // Nobody else reads it before it has its owner.
        let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, status == nil ? 0o644 : 0o600)
        guard descriptor >= 0 else { throw .last }
        defer { closeDescriptor(descriptor) }
        if let status { try Self.pass(status, to: descriptor) }
        try writeAll(Array(text.utf8), to: descriptor)
    }

    /// Without the privilege to give a file away it stays ours, but nobody may read it who could not before.
    private static func pass(_ status: stat, to descriptor: Int32) throws(SystemError) {
        var mode = status.st_mode & 0o7777
        if fchown(descriptor, status.st_uid, status.st_gid) != 0, fchown(descriptor, .max, status.st_gid) != 0 {
            // Another group gets what others get.
            mode = mode & ~0o070 | (mode & 0o007) << 3
        }
        guard fchmod(descriptor, mode) == 0 else { throw .last }
    }

    /// Where `path` leads; that need not exist.
    private static func followingLinks(_ path: String) throws(SystemError) -> String {
        var path = path
        // As many as Linux follows.
        for _ in 0..<40 {
            guard let target = target(ofLink: path) else { return path }
            path = target.hasPrefix("/") ? target : "\(folder(of: path))/\(target)"
        }
        throw SystemError(ELOOP)
    }

    /// What the symbolic link at `path` holds; nil where there is no link.
    private static func target(ofLink path: String) -> String? {
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe readlink(path, &bytes, bytes.count)
        guard count > 0 else { return nil }
        return String(decoding: bytes[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    private static func folder(of path: String) -> Substring {
        path.lastIndex(of: "/").map { path[..<$0] } ?? "."
    }
}
