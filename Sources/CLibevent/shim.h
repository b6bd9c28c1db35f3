// The part of libevent that pgleash uses: loops, events and the version; and system calls that Swift's Glibc module
// leaves out, or that glibc makes dearer than they need be.

// First of all: libevent's headers define _GNU_SOURCE, and what the system's headers declare behind that clashes with
// what Swift's Glibc module, built without it, has of them.
#include <features.h>

#include <event2/event.h>
#include <linux/netlink.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

long syscall(long number, ...);

// glibc's recv and send are points where a thread can be cancelled. In a process that ever had a second thread that
// takes each of them two locked instructions more, and no thread of pgleash is ever cancelled.

static inline ssize_t recv_nocancel(int socket, void *buffer, size_t length, int flags) {
    return syscall(SYS_recvfrom, socket, buffer, length, flags, NULL, NULL);
}

static inline ssize_t send_nocancel(int socket, const void *buffer, size_t length, int flags) {
    return syscall(SYS_sendto, socket, buffer, length, flags, NULL, 0);
}

int accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);

// struct tcp_info of linux/tcp.h as far as the peer's window, which it has since Linux 5.4 and glibc's copy has not.
struct attempt_info {
    struct tcp_info base;
    char others[228 - sizeof(struct tcp_info)];
    uint32_t snd_wnd;
};
