/* The floor: a relay in one thread that reads no byte of the data. Every relay in user space has its costs: for each
 * direction one wait, one receive and one send. It accepts on 127.0.0.1 and connects to 127.0.0.1.
 *
 * Usage: null-relay LISTEN-PORT SERVER-PORT */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BUFFER_SIZE = 64 * 1024, EVENTS_AT_ONCE = 64 };

/* One of the two sockets of a session, and the bytes of the other one that it could not send yet. */
struct side {
    int descriptor;
    struct side *other;
    char *left;
    size_t left_count;
    int is_dead;
};

static int loop;
static struct side *dead[2 * EVENTS_AT_ONCE];
static int dead_count;

static struct sockaddr_in loopback(const char *port) {
    return (struct sockaddr_in){AF_INET, htons(atoi(port)), {htonl(INADDR_LOOPBACK)}, {0}};
}

/* A side is read while none of its bytes remain to be sent, and written while bytes for it remain. */
static void watch(struct side *side, int operation) {
    int is_stalled = side->other != NULL && side->other->left_count > 0;
    uint32_t events = (is_stalled ? 0 : EPOLLIN) | (side->left_count > 0 ? EPOLLOUT : 0);
    struct epoll_event event = {events, {side}};
    if (epoll_ctl(loop, operation, side->descriptor, &event) != 0) err(1, "epoll_ctl");
}

static struct side *new_side(int descriptor) {
    struct side *side = calloc(1, sizeof *side);
    if (side == NULL) err(1, "calloc");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    side->descriptor = descriptor;
    return side;
}

static void open_session(int listener, const struct sockaddr_in *server) {
    int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0 && (errno == EAGAIN || errno == ECONNABORTED)) return;
    if (client < 0) err(1, "accept4");
    int upstream = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (upstream < 0) err(1, "socket");
    if (connect(upstream, (const struct sockaddr *)server, sizeof *server) != 0 && errno != EINPROGRESS)
        err(1, "connect");
    struct side *a = new_side(client), *b = new_side(upstream);
    a->other = b, b->other = a;
    watch(a, EPOLL_CTL_ADD);
    watch(b, EPOLL_CTL_ADD);
}

/* The batch may contain further events of either side, so the memory is freed after it. */
static void end_session(struct side *side) {
    struct side *both[] = {side, side->other};
    for (int i = 0; i < 2; i++) {
        close(both[i]->descriptor);
        both[i]->is_dead = 1;
        dead[dead_count++] = both[i];
    }
}

/* Sends as much as possible; the source must wait for the rest. Returns 0 when the connection is broken. */
static int deliver(struct side *to, const char *bytes, size_t count) {
    ssize_t sent = send(to->descriptor, bytes, count, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return 0;
    if (sent < 0) sent = 0;
    int was_stalled = to->left_count > 0;
    to->left_count = count - sent;
    if (to->left_count > 0) {
        if (to->left == NULL && (to->left = malloc(BUFFER_SIZE)) == NULL) err(1, "malloc");
        memmove(to->left, bytes + sent, to->left_count);
    }
    if ((to->left_count > 0) == was_stalled) return 1;
    watch(to, EPOLL_CTL_MOD);
    watch(to->other, EPOLL_CTL_MOD);
    return 1;
}

static void relay(struct side *from, uint32_t events) {
    static char buffer[BUFFER_SIZE];
    if (events & EPOLLOUT && from->left_count > 0 && !deliver(from, from->left, from->left_count))
        return end_session(from);
    if (from->other->left_count > 0) {
        if (events & EPOLLERR) end_session(from); /* reported repeatedly, also for a side that is not read now */
        return;
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    ssize_t count = recv(from->descriptor, buffer, sizeof buffer, 0);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0 || !deliver(from->other, buffer, count)) end_session(from);
}

int main(int argc, char **argv) {
    if (argc != 3) errx(64, "usage: null-relay LISTEN-PORT SERVER-PORT");
    struct sockaddr_in address = loopback(argv[1]), server = loopback(argv[2]);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) err(1, "socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) err(1, "bind");
    if (listen(listener, SOMAXCONN) != 0) err(1, "listen");
    loop = epoll_create1(EPOLL_CLOEXEC);
    struct side door = {.descriptor = listener};
    watch(&door, EPOLL_CTL_ADD);
    for (;;) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(loop, events, EVENTS_AT_ONCE, -1);
        for (int i = 0; i < count; i++) {
            struct side *side = events[i].data.ptr;
            if (side == &door) open_session(listener, &server);
            else if (!side->is_dead) relay(side, events[i].events);
        }
        while (dead_count > 0) {
            free(dead[--dead_count]->left);
            free(dead[dead_count]);
        }
    }
}
