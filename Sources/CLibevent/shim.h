// The part of libevent that pgleash uses: loops, events and the version; and the system's eventfd, which Swift's
// Glibc module leaves out.
#include <event2/event.h>
#include <sys/eventfd.h>
