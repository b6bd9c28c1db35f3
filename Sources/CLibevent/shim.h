// The part of libevent that pgleash uses: loops, events and the version; and system calls that Swift's Glibc module
// lacks, or that are more expensive in glibc than necessary.

// This must be the first include: libevent's headers define _GNU_SOURCE, and the declarations that the system's headers
// add for it conflict with Swift's Glibc module, which is built without it.
#include <features.h>

#include <event2/event.h>
#include <linux/netlink.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

long syscall(long number, ...);

// glibc's recv and send are cancellation points. In a process that has had a second thread this costs two locked
// instructions per call, and pgleash cancels no thread.

static inline ssize_t recv_nocancel(int socket, void *buffer, size_t length, int flags) {
    return syscall(SYS_recvfrom, socket, buffer, length, flags, NULL, NULL);
}

static inline ssize_t send_nocancel(int socket, const void *buffer, size_t length, int flags) {
    return syscall(SYS_sendto, socket, buffer, length, flags, NULL, 0);
}

int accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);

// struct tcp_info of linux/tcp.h up to the peer's window, which Linux has since 5.4 and glibc's copy lacks.
struct attempt_info {
    struct tcp_info base;
    char others[228 - sizeof(struct tcp_info)];
    uint32_t snd_wnd;
};
