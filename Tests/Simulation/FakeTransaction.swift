// The effects of a fake backend's statements: their transaction, their settings, and whether a commit depended on a
// statement that was cancelled.

/// The transactions of one backend, one after the other.
struct FakeTransaction {
    /// `I` outside of a block, `T` in one, `E` in one that has failed; as in ReadyForQuery.
    private(set) var status: Character = "I"
    /// A statement of control was cancelled, so all later statements would run without it.
    private(set) var cancelledControl: UInt8?
    /// Effects that were committed nevertheless.
    private(set) var committedWithout: [UInt8] = []
    private var pending: [UInt8] = []

    /// A statement has finished its work.
    mutating func takeEffect(_ statement: UInt8) {
        switch statement {
        case Statement.begin: if status == "I" { status = "T" }
        case Statement.commit where status == "T": commit()
        case Statement.commit, Statement.rollback: (pending, status) = ([], "I")
        case Statement.set: break
        default: pending.append(statement)
        }
    }

    /// The end of a Query or a Sync ends a transaction without a block.
    mutating func endImplicit() {
        if status == "I" { commit() }
    }

    mutating func fail() {
        pending = []
        if status == "T" { status = "E" }
    }

    /// A cancel arrived at a statement of control before it had an effect. In a block that is only an error of the
    /// block.
    mutating func noteCancelled(_ statement: UInt8) {
        if status == "I" { cancelledControl = cancelledControl ?? statement }
    }

    private mutating func commit() {
        if cancelledControl != nil { committedWithout += pending }
        (pending, status) = ([], "I")
    }
}
