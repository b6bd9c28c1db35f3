// The part of libevent that the HTTP endpoints use: the HTTP server, with the buffers and listeners that it is made of.

// The first include, for the same reason as in CLibevent.
#include <features.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
