// The interpretation of messages by a fake backend: the rules of PostgresMain() and CopyGetData() in PostgreSQL's
// source, in a small language of statements. FakeBackend reads and writes.

import Simulation
import TestSupport

extension FakeBackend {
    private static let error = message("E", Array("e\0".utf8))
    static let fatal = message("E", Array("SFATAL\0C57P01\0Mterminating\0\0".utf8))
    private static let misunderstood = message("E", Array("SFATAL\0C08P01\0Minvalid\0RPostgresMain\0\0".utf8))
    private static let cancelled = message("E", Array("SERROR\0C57014\0Mcancelled\0\0".utf8))
    private static let warning = message("N", Array("SWARNING\0C01000\0Mnot replicated\0\0".utf8))
    private static let dataRow = message("D", [0, 0])
    private static let rowDescription = message("T", [0, 0])
    private static let complete = message("C", Array("OK\0".utf8))

    private static func unknownPortal(_ body: ArraySlice<UInt8>) -> [UInt8] {
        let name = Array(body.prefix { $0 != 0 })
        return message("E", Array("SERROR\0C34000\0Mportal ".utf8) + name + Array(" does not exist\0\0".utf8))
    }

    // MARK: - Startup

    func startUp() {
        let refuses = world.chance.mishap(40)
        if world.server.asksForPassword {
            say(message("R", [0, 0, 0, 3]))
            startFlush()
            work = [.awaitPassword]
        }
        let key = world.server.givesKeys ? message("K", key) : []
        let greeting = message("R", [0, 0, 0, 0]) + message("S", Array("a\0b\0".utf8)) + key
        work += refuses ? [.say(Self.error), .exit] : [.say(greeting), .beReady]
    }

    // MARK: - PostgresMain()

    func handle(_ kind: UInt8, _ body: ArraySlice<UInt8>) {
        switch kind {
        case UInt8(ascii: "X"): return exit(.terminated)
        case UInt8(ascii: "S"):
            (ignoresTillSync, isExtended, hasOpenBatch) = (false, false, false)
            work = [.beReady]
            return
        case UInt8(ascii: "Q"), UInt8(ascii: "F"), UInt8(ascii: "d"), UInt8(ascii: "c"), UInt8(ascii: "f"):
            isExtended = false
        case UInt8(ascii: "P"), UInt8(ascii: "B"), UInt8(ascii: "D"), UInt8(ascii: "E"), UInt8(ascii: "C"):
            (isExtended, hasOpenBatch) = (true, true)
        case UInt8(ascii: "H"): isExtended = true
        default: return failFatally()
        }
        if !ignoresTillSync { obey(kind, body) }
    }

    private func obey(_ kind: UInt8, _ body: ArraySlice<UInt8>) {
        switch kind {
        case UInt8(ascii: "Q"): query(body.dropLast())
        case UInt8(ascii: "F"): call(body.first ?? 0)
        case UInt8(ascii: "P"):
            portal = nil
            prepared = Statement.letters(in: body.dropFirst().dropLast()).first
            if prepared == Statement.syntaxError {
                prepared = nil
                return fail()
            }
            say(message("1"))
        case UInt8(ascii: "B"):
            guard let prepared else { return fail() }
            portal = prepared
            say(message("2"))
        case UInt8(ascii: "D"): describe(isStatement: body.first == UInt8(ascii: "S"))
        case UInt8(ascii: "E"):
            if body.first != 0 { return fail(Self.unknownPortal(body)) }
            guard let portal else { return fail() }
            isOneOfSeveral = false
            work = [.statement(portal, rowLimit: Int(body.last ?? 0))]
        case UInt8(ascii: "C"):
            portal = nil
            say(message("3"))
        case UInt8(ascii: "H"): startFlush()
        default: break
        }
    }

    private func query(_ text: ArraySlice<UInt8>) {
        hasOpenBatch = false
        if text.contains(Statement.syntaxError) { return fail() }
        isOneOfSeveral = Statement.letters(in: text).count > 1
        work = Statement.letters(in: text).map { .statement($0, rowLimit: 0) } + [.beReady]
        if text.isEmpty { say(message("I")) }
    }

    private func call(_ statement: UInt8) {
        hasOpenBatch = false
        if statement == Statement.error { return fail() }
        work = Self.waits(statement) + [.say(message("V", [255, 255, 255, 255])), .beReady]
        noteStatement()
    }

    private func describe(isStatement: Bool) {
        guard let described = isStatement ? prepared : portal else { return fail() }
        if isStatement { say(message("t", [0, 0])) }
        let hasRows = ![Statement.noRows, Statement.copyIn, Statement.copyOut].contains(described)
        say(hasRows ? Self.rowDescription : message("n"))
    }

    // MARK: - Running statements

    /// Performs the next step of its work.
    ///
    /// - Returns: false when it waits.
    func doWork() -> Bool {
        guard let next = work.first else { return true }
        switch next {
        case .statement(let statement, let rowLimit):
            if cancelPending { cancel(statement) } else { begin(statement, rowLimit) }
        case .wait(let nanoseconds, let catches): return wait(nanoseconds, catches)
        case .rows(let count): sendRow(of: count)
        case .say(let bytes):
            say(bytes)
            work.removeFirst()
        case .takeEffect(let statement):
            transaction.takeEffect(statement)
            work.removeFirst()
        case .commit(let nanoseconds): return commit(nanoseconds)
        case .copyIn: return copyFurther()
        case .awaitPassword:
            guard nextMessage() != nil else { return !hasExited && receiveMore() }
            work.removeFirst()
        case .beReady:
            isRunning = false
            work.removeFirst()
            transaction.endImplicit()
            if world.hasPooler, transaction.status == "I" { hasServer = false }
            say(Bytes.ready(transaction.status))
            startFlush()
        case .exit: exit(.died)
        }
        return !hasExited
    }

    private func begin(_ statement: UInt8, _ rowLimit: Int) {
        noteStatement()
        if transaction.status == "E", statement != Statement.commit, statement != Statement.rollback { return fail() }
        if !isExtended, statement == Statement.row || statement == Statement.manyRows { say(Self.rowDescription) }
        var steps = Self.waits(statement)
        switch statement {
        case Statement.error: return fail()
        case Statement.manyRows where rowLimit > 0:
            steps += [.rows(rowLimit), .say(message("s"))]
        case Statement.manyRows: steps += [.rows(20), .say(Self.complete)]
        case Statement.noRows: steps += [.say(Self.complete)]
        case Statement.copyIn:
            let isBinary = world.chance.oneIn(4)
            say(message("G", [isBinary ? 1 : 0, 0, 0]))
            startFlush()
            steps += [.copyIn, .say(Self.complete)]
        case Statement.copyOut:
            let copy = message("d", [49, 10])
            steps += [.say(message("H", [0, 0, 0]) + copy + copy + message("c") + Self.complete)]
        case Statement.begin: steps += [.takeEffect(statement), .say(Self.complete)]
        case Statement.set, Statement.rollback: steps += [.takeEffect(statement), .say(Self.complete)]
        case Statement.commit:
            steps += [.commit(nanoseconds: world.chance.pick([0, 5_000_000, 80_000_000])), .say(Self.complete)]
        default: steps += [.rows(1), .say(Self.complete)]
        }
        if !Statement.isControl(statement) { steps.append(.takeEffect(statement)) }
        work.replaceSubrange(0..<1, with: steps)
    }

    /// The wait of a statement before its reply.
    private static func waits(_ statement: UInt8) -> [Work] {
        switch statement {
        case Statement.shortWait: [.wait(nanoseconds: 5_000_000, catches: 0)]
        case Statement.longWait: [.wait(nanoseconds: 80_000_000, catches: 0)]
        case Statement.endlessWait: [.wait(nanoseconds: nil, catches: 0)]
        case Statement.stubborn: [.wait(nanoseconds: nil, catches: .max)]
        case let digit where Statement.catching.contains(digit):
            [.wait(nanoseconds: nil, catches: Int(digit - UInt8(ascii: "0")))]
        default: []
        }
    }

    private func wait(_ nanoseconds: UInt64?, _ catches: Int) -> Bool {
        if cancelPending, catches > 0 {
            cancelPending = false
            work[0] = .wait(nanoseconds: nanoseconds, catches: catches - 1)
        } else if cancelPending {
            stopWaiting()
            isWithinCopy ? failCopy(Self.cancelled) : fail(Self.cancelled)
            return true
        }
        guard wait(nanoseconds) else { return false }
        work.removeFirst()
        return true
    }

    /// Waits for its standby. A cancel ends only the wait: the commit remains.
    private func commit(_ nanoseconds: UInt64) -> Bool {
        if cancelPending, transaction.status == "T" {
            cancelPending = false
            stopWaiting()
            // It is not visible which statement of a message runs.
            if !isOneOfSeveral { world.facts.noteCutShort(self) }
            say(Self.warning)
        } else if transaction.status == "T" {
            guard wait(nanoseconds) else { return false }
        }
        transaction.takeEffect(Statement.commit)
        work.removeFirst()
        return true
    }

    /// A cancel reaches a statement before it does anything.
    private func cancel(_ statement: UInt8) {
        if Statement.isControl(statement) { transaction.noteCancelled(statement) }
        fail(Self.cancelled)
    }

    private func sendRow(of count: Int) {
        if cancelPending { return fail(Self.cancelled) }
        say(Self.dataRow)
        if outputIsFull { startFlush() }
        if count > 1 { work[0] = .rows(count - 1) } else { work.removeFirst() }
    }

    // MARK: - CopyGetData()

    /// Reads copy data. While it is blocked in this it does not handle a cancel.
    private func copyFurther() -> Bool {
        guard let kind = nextKind else { return receiveMore() }
        // The type alone is enough to fail, and then the position in the stream is lost.
        guard "dcfHS".utf8.contains(kind) else {
            failFatally()
            return false
        }
        guard let message = nextMessage() else { return !hasExited && receiveMore() }
        if message.kind == UInt8(ascii: "S") {
            hasIgnoredSync = true
            if hasReadData { hasIgnoredFailedCopySync = true }
        }
        hasReadData = "dHS".utf8.contains(message.kind) && (hasReadData || message.kind == UInt8(ascii: "d"))
        switch message.kind {
        case UInt8(ascii: "d") where message.body.first == UInt8(ascii: "!"): failCopy()
        case UInt8(ascii: "d") where cancelPending: failCopy()
        case UInt8(ascii: "d") where message.body.elementsEqual([Statement.endlessWait, 10]):
            work.insert(.wait(nanoseconds: nil, catches: 0), at: 0)
        case UInt8(ascii: "f"): failCopy()
        case UInt8(ascii: "c"): (hasIgnoredSync, _) = (false, work.removeFirst())
        default: break
        }
        return true
    }

    private func failCopy(_ error: [UInt8] = error) {
        hasIgnoredFailedCopySync = hasIgnoredFailedCopySync || hasIgnoredSync
        hasIgnoredSync = false
        fail(error)
    }

    /// The statement is a copy, which may wait in a trigger.
    private var isWithinCopy: Bool { work.contains { if case .copyIn = $0 { true } else { false } } }

    // MARK: - Errors

    private func fail(_ error: [UInt8] = error) {
        cancelPending = false
        isRunning = false
        portal = nil
        transaction.fail()
        say(error)
        startFlush()
        if isExtended { ignoresTillSync = true }
        work = isExtended ? [] : [.beReady]
    }

    private func failFatally() {
        say(Self.misunderstood)
        exit(.died)
    }
}
