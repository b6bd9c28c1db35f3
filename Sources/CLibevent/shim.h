// The part of libevent that pgleash uses: loops, events and the version; and two system calls that Swift's Glibc module
// leaves out.

// First of all: libevent's headers define _GNU_SOURCE, and what the system's headers declare behind that clashes with
// what Swift's Glibc module, built without it, has of them.
#include <features.h>

#include <event2/event.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

int accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);
