// How many processors there are to run on.

import Glibc

/// The processors that are online, at least 1.
package func processorCount() -> Int {
    max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
}
