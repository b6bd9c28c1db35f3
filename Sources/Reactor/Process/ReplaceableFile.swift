// A regular file that is replaced atomically for its readers, and keeps its mode and owner.

import Glibc

/// The reason why a file cannot be replaced.
package enum ReplacementError: Error, Equatable, CustomStringConvertible {
    /// The file is a device, a directory, a socket or a pipe.
    case notRegular
    case system(SystemError)

    package var description: String {
        switch self {
        case .notRegular: "it is not a regular file"
        case .system(let error): "\(error)"
        }
    }
}

/// An existing file, or one that can be created.
package struct ReplaceableFile {
    private let path: String
    /// The status of an existing file.
    private let status: stat?

    /// - Parameter path: the path of the file. If it is a symbolic link, the target is replaced.
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

    /// Whether the directory of the file exists, or this cannot be determined.
    package var hasDirectory: Bool {
        var status = stat()
        return unsafe stat(String(Self.folder(of: path)), &status) == 0 || SystemError.last.code != ENOENT
    }

    /// Replaces the file, or creates one with mode 0644 reduced by the umask. The data is not flushed to the disk:
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
        // Other users cannot read the file before it has its owner.
        let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, status == nil ? 0o644 : 0o600)
        guard descriptor >= 0 else { throw .last }
        defer { closeDescriptor(descriptor) }
        if let status { try Self.pass(status, to: descriptor) }
        try writeAll(Array(text.utf8), to: descriptor)
    }

    /// Without the privilege to change the owner it stays that of the process, but users who could not read the file
    /// before must not be able to read it now.
    private static func pass(_ status: stat, to descriptor: Int32) throws(SystemError) {
        var mode = status.st_mode & 0o7777
        if fchown(descriptor, status.st_uid, status.st_gid) != 0, fchown(descriptor, .max, status.st_gid) != 0 {
            // The group is another one and gets the permissions of others.
            mode = mode & ~0o070 | (mode & 0o007) << 3
        }
        guard fchmod(descriptor, mode) == 0 else { throw .last }
    }

    /// The target of `path`, which need not exist.
    private static func followingLinks(_ path: String) throws(SystemError) -> String {
        var path = path
        // The number of links that Linux follows.
        for _ in 0..<40 {
            guard let target = target(ofLink: path) else { return path }
            path = target.hasPrefix("/") ? target : "\(folder(of: path))/\(target)"
        }
        throw SystemError(ELOOP)
    }

    /// The target of the symbolic link at `path`; nil where there is no link.
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
