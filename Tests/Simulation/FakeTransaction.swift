// What the statements of a fake backend leave behind: in which transaction, under which settings, and whether anything
// was committed that counts on a statement which a cancel took away.

/// The transactions of one backend, one after the other.
struct FakeTransaction {
    /// `I` outside of a block, `T` in one, `E` in one that has failed; as ReadyForQuery has it.
    private(set) var status: Character = "I"
    /// A statement of control was cancelled, so all that follows it would run without it.
    private(set) var cancelledControl: UInt8?
    /// Effects that were committed all the same.
    private(set) var committedWithout: [UInt8] = []
    private var pending: [UInt8] = []

    /// A statement has done its work.
    mutating func takeEffect(_ statement: UInt8) {
        switch statement {
        case Statement.begin: if status == "I" { status = "T" }
        case Statement.commit where status == "T": commit()
        case Statement.commit, Statement.rollback: (pending, status) = ([], "I")
        case Statement.set: break
        default: pending.append(statement)
        }
    }

    /// The end of a Query or a Sync ends the transaction that is no block.
    mutating func endImplicit() {
        if status == "I" { commit() }
    }

    mutating func fail() {
        pending = []
        if status == "T" { status = "E" }
    }

    /// A cancel reached a statement of control before it did anything. In a block that is only an error of the block.
    mutating func noteCancelled(_ statement: UInt8) {
        if status == "I" { cancelledControl = cancelledControl ?? statement }
    }

    private mutating func commit() {
        if cancelledControl != nil { committedWithout += pending }
        (pending, status) = ([], "I")
    }
}
