// Those who act in a simulated world, each at its own time.

import Simulation

let never = UInt64.max

/// Somebody who does something at a time of its choice.
class Actor: SocketPeer {
    unowned let world: World
    /// In nanoseconds of the world's clock; `never` while it waits for somebody else.
    var wakeAt = never

    init(_ world: World) { self.world = world }

    /// Its time has come; it says itself when it wants to be called again.
    func step() {}

    /// Something happened that it may want to see to, in its own time.
    func poke() { wakeAt = min(wakeAt, world.now + world.chance.latency()) }

    func sleep(until time: UInt64) { wakeAt = min(wakeAt, time) }

    func socketChanged(_ socket: SimulatedSocket) { poke() }
}

/// Does one thing at one time.
final class Appointment: Actor {
    private let body: () -> Void

    init(_ world: World, at time: UInt64, _ body: @escaping () -> Void) {
        self.body = body
        super.init(world)
        wakeAt = time
    }

    override func step() { body() }
}
