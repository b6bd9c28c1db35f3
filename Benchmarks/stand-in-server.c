/* A server in PostgreSQL's place with the lowest possible costs, so that the measurement shows the program in front of
 * it, and for 10,000 sessions and more. It accepts any client on 127.0.0.1, and the reply to any simple query is one row
 * with the number 1. It keeps no state: its clients send short messages, and wait for each reply before the next, so one
 * receive gives a whole message. Anything else ends the session.
 *
 * Usage: stand-in-server PORT THREADS */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* The replies, as in the chapter "Message Formats" of PostgreSQL's documentation. */
#define READY "Z\0\0\0\5I"
static const char welcome[] =
    "R\0\0\0\x08\0\0\0\0" "S\0\0\0\x18server_version\0" "15.0\0" "S\0\0\0\x19server_encoding\0UTF8\0"
    "S\0\0\0\x19" "client_encoding\0UTF8\0" "S\0\0\0\x23standard_conforming_strings\0on\0"
    "K\0\0\0\x0c\0\0\0\1\0\0\0\1" READY;
static const char query_result[] =
    "T\0\0\0\x1a\0\1n\0\0\0\0\0\0\0\0\0\0\x17\0\4\377\377\377\377\0\0"
    "D\0\0\0\x0b\0\1\0\0\0\1" "1" "C\0\0\0\x0d" "SELECT 1\0" READY;

enum {
    STARTUP_SIZE = 8, /* that of the shortest packet with a version */
    EVENTS_AT_ONCE = 64,
};

static int listener, loop;

/* Edge-triggered: several threads wait for the same sockets, and each event is for one of them. */
static void watch(int descriptor) {
    struct epoll_event event = {EPOLLIN | EPOLLET, {.fd = descriptor}};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event) != 0) err(1, "epoll_ctl");
}

static void accept_sessions(void) {
    int client;
    while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        watch(client);
    }
}

/* Answers a message. Returns 0 where the session must end, as after a Terminate. */
static int serve(int client) {
    char message[1024];
    ssize_t count = recv(client, message, sizeof message, 0);
    if (count < STARTUP_SIZE) return count < 0 && errno == EAGAIN;
    /* The first packet has no type and a length below 2^24; the protocol's version is 3. */
    int is_startup = message[0] == 0 && memcmp(message + 4, "\0\3", 2) == 0;
    if (!is_startup && message[0] != 'Q') return 0;
    const char *reply = is_startup ? welcome : query_result;
    ssize_t length = (is_startup ? sizeof welcome : sizeof query_result) - 1;
    return send(client, reply, length, MSG_NOSIGNAL) == length;
}

_Noreturn static void *run(void *argument) {
    (void)argument;
    for (;;) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(loop, events, EVENTS_AT_ONCE, -1);
        for (int i = 0; i < count; i++) {
            int descriptor = events[i].data.fd;
            if (descriptor == listener) accept_sessions();
            else if (!serve(descriptor)) close(descriptor);
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 3) errx(64, "usage: stand-in-server PORT THREADS");
    struct sockaddr_in address = {AF_INET, htons(atoi(argv[1])), {htonl(INADDR_LOOPBACK)}, {0}};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) err(1, "bind");
    if (listen(listener, SOMAXCONN) != 0) err(1, "listen");
    loop = epoll_create1(EPOLL_CLOEXEC);
    watch(listener);
    for (int i = 1; i < atoi(argv[2]); i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, NULL) != 0) errx(1, "pthread_create");
    }
    run(NULL);
}
