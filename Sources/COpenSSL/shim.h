// OpenSSL 3, with functions for its macros, which Swift cannot use.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static inline long pgleash_SSL_CTX_set_min_proto_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version);
}

static inline long pgleash_SSL_CTX_set_max_proto_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_max_proto_version(context, version);
}

static inline long pgleash_SSL_CTX_set_mode(SSL_CTX *context, long mode) {
    return SSL_CTX_set_mode(context, mode);
}

static inline void pgleash_SSL_CTX_set_read_ahead(SSL_CTX *context) {
    SSL_CTX_set_read_ahead(context, 1);
}

static inline long pgleash_SSL_CTX_set_session_cache_off(SSL_CTX *context) {
    return SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

static inline long pgleash_SSL_CTX_set1_groups_list(SSL_CTX *context, const char *list) {
    return SSL_CTX_set1_groups_list(context, list);
}

// Makes all further reads and writes of the connection fail.
static inline void pgleash_SSL_cut_off(const SSL *connection) {
    BIO_set_fd(SSL_get_rbio(connection), -1, BIO_NOCLOSE);
}

// Whether the kernel decrypts the received bytes.
static inline int pgleash_SSL_get_ktls_recv(const SSL *connection) {
    return BIO_get_ktls_recv(SSL_get_rbio(connection));
}

static inline long pgleash_SSL_set_tlsext_host_name(SSL *connection, const char *name) {
    return SSL_set_tlsext_host_name(connection, name);
}

// Options whose values are computed by a macro.
static const uint64_t pgleash_SSL_OP_ENABLE_KTLS = SSL_OP_ENABLE_KTLS;
static const uint64_t pgleash_SSL_OP_IGNORE_UNEXPECTED_EOF = SSL_OP_IGNORE_UNEXPECTED_EOF;
static const uint64_t pgleash_SSL_OP_NO_COMPRESSION = SSL_OP_NO_COMPRESSION;
static const uint64_t pgleash_SSL_OP_NO_RENEGOTIATION = SSL_OP_NO_RENEGOTIATION;
static const uint64_t pgleash_SSL_OP_NO_TICKET = SSL_OP_NO_TICKET;
