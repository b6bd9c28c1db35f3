// libpq: a real client for the integration tests.
#include <libpq-fe.h>
