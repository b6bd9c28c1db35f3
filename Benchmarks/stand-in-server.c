/* A server in PostgreSQL's place with the lowest possible costs, so that the measurement shows the program in front of
 * it, and for 10,000 sessions and more. It runs nothing: the reply to any query is one row with the number 1. It accepts
 * any client on 127.0.0.1; a message of 64 KiB or an unknown one ends the session.
 *
 * Usage: stand-in-server PORT [THREADS] */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

/* An answer, as in the chapter "Message Formats" of PostgreSQL's documentation; its last byte is a message's own. */
#define ANSWER(name, bytes) static const char name[sizeof(bytes) - 1] = bytes
#define READY "Z\0\0\0\5I"
#define ROW_DESCRIPTION "T\0\0\0\x1a\0\1n\0\0\0\0\0\0\0\0\0\0\x17\0\4\377\377\377\377\0\0"
#define ROW "D\0\0\0\x0b\0\1\0\0\0\1" "1" "C\0\0\0\x0d" "SELECT 1\0"

ANSWER(encryption_refused, "N");
ANSWER(welcome, "R\0\0\0\x08\0\0\0\0" "S\0\0\0\x18server_version\0" "15.0\0" "S\0\0\0\x19server_encoding\0UTF8\0"
                "S\0\0\0\x19" "client_encoding\0UTF8\0" "S\0\0\0\x23standard_conforming_strings\0on\0"
                "K\0\0\0\x0c\0\0\0\1\0\0\0\1" READY);
ANSWER(query_result, ROW_DESCRIPTION ROW READY);
ANSWER(parse_complete, "1\0\0\0\4");
ANSWER(bind_complete, "2\0\0\0\4");
ANSWER(close_complete, "3\0\0\0\4");
ANSWER(statement_description, "t\0\0\0\6\0\0" ROW_DESCRIPTION);
ANSWER(portal_description, ROW_DESCRIPTION);
ANSWER(execute_result, ROW);
ANSWER(ready, READY);

enum {
    MAX_THREADS = 64,
    EVENTS_AT_ONCE = 64,
    INPUT_SIZE = 64 * 1024,
    /* The longest reply in relation to its message. */
    ANSWER_RATIO = 32,
    SSL_REQUEST = 80877103,
    GSSENC_REQUEST = 80877104,
    PROTOCOL_3 = 3,
};

_Static_assert(sizeof welcome <= 8 * ANSWER_RATIO && sizeof query_result <= 5 * ANSWER_RATIO, "an answer is too long");

/* Bytes that wait for the rest of their message, or until the client reads. */
struct waiting {
    char *bytes;
    size_t count;
};

struct session {
    int descriptor;
    int has_started;
    struct waiting input, output;
};

/* The state of one thread: an epoll instance, and buffers for one receive and one send. */
struct loop {
    int epoll;
    char input[INPUT_SIZE];
    char output[ANSWER_RATIO * INPUT_SIZE];
    size_t output_count;
};

static int listener;
static struct loop *loops[MAX_THREADS];
static int loop_count = 1;

static void keep(struct waiting *waiting, const char *bytes, size_t count) {
    char *copy = NULL;
    if (count > 0 && (copy = malloc(count)) == NULL) err(1, "malloc");
    if (count > 0) memcpy(copy, bytes, count);
    free(waiting->bytes);
    *waiting = (struct waiting){copy, count};
}

static void watch(struct loop *loop, struct session *session, int operation, uint32_t events) {
    struct epoll_event event = {events, {session}};
    if (epoll_ctl(loop->epoll, operation, session->descriptor, &event) != 0) err(1, "epoll_ctl");
}

/* The first thread accepts, for all threads in turn. */
static void accept_session(void) {
    static int next;
    int descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0 && errno != EAGAIN && errno != ECONNABORTED) err(1, "accept4");
    if (descriptor < 0) return;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) err(1, "calloc");
    session->descriptor = descriptor;
    watch(loops[next++ % loop_count], session, EPOLL_CTL_ADD, EPOLLIN);
}

static void end_session(struct session *session) {
    close(session->descriptor);
    free(session->input.bytes);
    free(session->output.bytes);
    free(session);
}

#define SAY(loop, answer) say(loop, answer, sizeof answer)

static int say(struct loop *loop, const char *answer, size_t count) {
    memcpy(loop->output + loop->output_count, answer, count);
    loop->output_count += count;
    return 1;
}

static uint32_t number_at(const char *bytes) {
    uint32_t number;
    memcpy(&number, bytes, sizeof number);
    return ntohl(number);
}

/* Returns 0 where the session must end, as after a CancelRequest. */
static int answer_startup(struct loop *loop, struct session *session, uint32_t code) {
    if (code == SSL_REQUEST || code == GSSENC_REQUEST) return SAY(loop, encryption_refused);
    if (code >> 16 != PROTOCOL_3) return 0;
    session->has_started = 1;
    return SAY(loop, welcome);
}

static int answer_message(struct loop *loop, char kind, const char *body) {
    switch (kind) {
    case 'Q': return SAY(loop, query_result);
    case 'P': return SAY(loop, parse_complete);
    case 'B': return SAY(loop, bind_complete);
    case 'C': return SAY(loop, close_complete);
    case 'D': return *body == 'S' ? SAY(loop, statement_description) : SAY(loop, portal_description);
    case 'E': return SAY(loop, execute_result);
    case 'S': return SAY(loop, ready);
    case 'H': return 1; /* Flush: everything is sent at once in any case. */
    default: return 0;  /* Also a Terminate. */
    }
}

/* Answers the complete messages among `count` bytes, and keeps the rest of the last one. */
static int answer_all(struct loop *loop, struct session *session, const char *bytes, size_t count) {
    for (;;) {
        size_t kind_length = session->has_started ? 1 : 0;
        size_t shortest = session->has_started ? 5 : 8;
        if (count < shortest) break;
        size_t length = kind_length + number_at(bytes + kind_length);
        if (length < shortest || length >= INPUT_SIZE) return 0;
        if (count < length) break;
        int goes_on = session->has_started
            ? answer_message(loop, bytes[0], length > 5 ? bytes + 5 : "")
            : answer_startup(loop, session, number_at(bytes + 4));
        if (!goes_on) return 0;
        bytes += length, count -= length;
    }
    keep(&session->input, bytes, count);
    return 1;
}

/* Sends as much as possible; the client must read before the rest is sent, and is not read before that. */
static int deliver(struct loop *loop, struct session *session, const char *bytes, size_t count) {
    ssize_t sent = send(session->descriptor, bytes, count, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return 0;
    if (sent < 0) sent = 0;
    int was_waiting = session->output.count > 0, is_waiting = (size_t)sent < count;
    if (is_waiting || was_waiting) keep(&session->output, bytes + sent, count - sent);
    if (is_waiting != was_waiting) watch(loop, session, EPOLL_CTL_MOD, is_waiting ? EPOLLOUT : EPOLLIN);
    return 1;
}

static int serve(struct loop *loop, struct session *session) {
    if (session->output.count > 0) return deliver(loop, session, session->output.bytes, session->output.count);
    size_t kept = session->input.count;
    if (kept > 0) memcpy(loop->input, session->input.bytes, kept);
    ssize_t received = recv(session->descriptor, loop->input + kept, INPUT_SIZE - kept, 0);
    if (received <= 0) return received < 0 && errno == EAGAIN;
    loop->output_count = 0;
    if (!answer_all(loop, session, loop->input, kept + received)) return 0;
    return loop->output_count == 0 || deliver(loop, session, loop->output, loop->output_count);
}

_Noreturn static void *run(void *argument) {
    struct loop *loop = argument;
    for (;;) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(loop->epoll, events, EVENTS_AT_ONCE, -1);
        for (int i = 0; i < count; i++) {
            struct session *session = events[i].data.ptr;
            if (session == NULL) accept_session();
            else if (!serve(loop, session)) end_session(session);
        }
    }
}

static void open_listener(const char *port) {
    struct sockaddr_in address = {AF_INET, htons(atoi(port)), {htonl(INADDR_LOOPBACK)}, {0}};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) err(1, "bind");
    if (listen(listener, SOMAXCONN) != 0) err(1, "listen");
}

static void raise_descriptor_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
    if (argc == 3) loop_count = atoi(argv[2]);
    if (argc < 2 || argc > 3 || loop_count < 1 || loop_count > MAX_THREADS)
        errx(64, "usage: stand-in-server PORT [THREADS], of which there may be %d", MAX_THREADS);
    raise_descriptor_limit();
    open_listener(argv[1]);
    for (int i = 0; i < loop_count; i++) {
        if ((loops[i] = calloc(1, sizeof *loops[i])) == NULL) err(1, "calloc");
        if ((loops[i]->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) err(1, "epoll_create1");
    }
    struct epoll_event door = {EPOLLIN, {NULL}};
    if (epoll_ctl(loops[0]->epoll, EPOLL_CTL_ADD, listener, &door) != 0) err(1, "epoll_ctl");
    for (int i = 1; i < loop_count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, loops[i]) != 0) errx(1, "pthread_create");
    }
    run(loops[0]);
}
