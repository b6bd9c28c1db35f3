// libpq's functions, found when the library is loaded at run time. It brings two dozen shared libraries into the
// process, which a pgleash without a monitor neither needs nor loads.

import Glibc

/// The reason why libpq can't be used, in the dynamic linker's words.
package struct PQLoadError: Error, CustomStringConvertible {
    package let description: String
}

/// The functions that a `PQConnection` calls. The library stays loaded until the process ends.
///
/// Unchecked, because pointers to functions never change.
@safe package struct PQLibrary: @unchecked Sendable {
    typealias Connection = OpaquePointer
    typealias Result = OpaquePointer
    typealias Texts = UnsafePointer<UnsafePointer<CChar>?>
    typealias NoticeProcessor = @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?) -> Void

    /// The name of the library's interface, which has been the same since PostgreSQL 8.
    package static let name = "libpq.so.5"

    let connectStart: @convention(c) (Texts, Texts, Int32) -> Connection?
    let connectPoll: @convention(c) (Connection) -> UInt32
    let status: @convention(c) (Connection) -> UInt32
    let socket: @convention(c) (Connection) -> Int32
    let errorMessage: @convention(c) (Connection) -> UnsafePointer<CChar>?
    let setErrorVerbosity: @convention(c) (Connection, UInt32) -> UInt32
    let finish: @convention(c) (Connection) -> Void
    let setNonblocking: @convention(c) (Connection, Int32) -> Int32
    let setNoticeProcessor: @convention(c) (Connection, NoticeProcessor, UnsafeMutableRawPointer?) -> OpaquePointer?
    let sendPrepare:
        @convention(c) (Connection, UnsafePointer<CChar>, UnsafePointer<CChar>, Int32, OpaquePointer?) -> Int32
    let sendQueryPrepared:
        @convention(c) (
            Connection, UnsafePointer<CChar>, Int32, Texts, OpaquePointer?, OpaquePointer?, Int32
        ) -> Int32
    let flush: @convention(c) (Connection) -> Int32
    let consumeInput: @convention(c) (Connection) -> Int32
    let isBusy: @convention(c) (Connection) -> Int32
    let getResult: @convention(c) (Connection) -> Result?
    let resultStatus: @convention(c) (Result) -> UInt32
    let resultErrorMessage: @convention(c) (Result) -> UnsafePointer<CChar>?
    let rowCount: @convention(c) (Result) -> Int32
    let columnCount: @convention(c) (Result) -> Int32
    let value: @convention(c) (Result, Int32, Int32) -> UnsafePointer<CChar>?
    let isNull: @convention(c) (Result, Int32, Int32) -> Int32
    let clear: @convention(c) (Result) -> Void

    /// Loads the library.
    package init() throws(PQLoadError) {
        guard let handle = unsafe dlopen(Self.name, RTLD_NOW | RTLD_LOCAL) else { throw Self.error() }
        unsafe connectStart = try Self.function("PQconnectStartParams", in: handle)
        unsafe connectPoll = try Self.function("PQconnectPoll", in: handle)
        unsafe status = try Self.function("PQstatus", in: handle)
        unsafe socket = try Self.function("PQsocket", in: handle)
        unsafe errorMessage = try Self.function("PQerrorMessage", in: handle)
        unsafe setErrorVerbosity = try Self.function("PQsetErrorVerbosity", in: handle)
        unsafe finish = try Self.function("PQfinish", in: handle)
        unsafe setNonblocking = try Self.function("PQsetnonblocking", in: handle)
        unsafe setNoticeProcessor = try Self.function("PQsetNoticeProcessor", in: handle)
        unsafe sendPrepare = try Self.function("PQsendPrepare", in: handle)
        unsafe sendQueryPrepared = try Self.function("PQsendQueryPrepared", in: handle)
        unsafe flush = try Self.function("PQflush", in: handle)
        unsafe consumeInput = try Self.function("PQconsumeInput", in: handle)
        unsafe isBusy = try Self.function("PQisBusy", in: handle)
        unsafe getResult = try Self.function("PQgetResult", in: handle)
        unsafe resultStatus = try Self.function("PQresultStatus", in: handle)
        unsafe resultErrorMessage = try Self.function("PQresultErrorMessage", in: handle)
        unsafe rowCount = try Self.function("PQntuples", in: handle)
        unsafe columnCount = try Self.function("PQnfields", in: handle)
        unsafe value = try Self.function("PQgetvalue", in: handle)
        unsafe isNull = try Self.function("PQgetisnull", in: handle)
        unsafe clear = try Self.function("PQclear", in: handle)
    }

    private static func function<Function>(
        _ name: String, in handle: UnsafeMutableRawPointer
    ) throws(PQLoadError) -> Function {
        guard let symbol = unsafe dlsym(handle, name) else { throw error() }
        return unsafe unsafeBitCast(symbol, to: Function.self)
    }

    private static func error() -> PQLoadError {
        let reason = unsafe dlerror().map { unsafe String(cString: $0) } ?? "unknown error"
        return PQLoadError(description: "could not load libpq: \(reason)")
    }
}
