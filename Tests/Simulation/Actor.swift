// The actors of a simulated world, each of which acts at its own time.

import Simulation

let never = UInt64.max

/// An object that acts at a time of its choice.
class Actor: SocketPeer {
    unowned let world: World
    /// The time in nanoseconds of the world's clock; `never` while it waits for another actor.
    var wakeAt = never

    init(_ world: World) { self.world = world }

    /// Acts at its time, and sets the next one.
    func step() {}

    /// An event that the actor may handle, at its own time.
    func poke() { wakeAt = min(wakeAt, world.now + world.chance.latency()) }

    func sleep(until time: UInt64) { wakeAt = min(wakeAt, time) }

    func socketChanged(_ socket: SimulatedSocket) { poke() }
}

/// Performs one action at one time.
final class Appointment: Actor {
    private let body: () -> Void

    init(_ world: World, at time: UInt64, _ body: @escaping () -> Void) {
        self.body = body
        super.init(world)
        wakeAt = time
    }

    override func step() { body() }
}
