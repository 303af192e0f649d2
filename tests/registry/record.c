/* Linked over a daemon for a test: writes down whatever it is given, before it sees it. Every byte
 * that leaves the TLS pump goes to $PL_RECORD.raw; every header, also those the server drops,
 * decoded to .headers; every piece of a body to .bodies; a line for each read from a peer with a
 * certificate to .certificates. The daemon's own objects are unchanged: the linker's --wrap leads
 * these three calls here. */
#include "tests/registry/record.h"

#include "platform/net/stream.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void record(const char *suffix, struct pl_span bytes)
{
    char path[400];
    snprintf(path, sizeof(path), "%s.%s", getenv("PL_RECORD"), suffix);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes.p, bytes.n) != (ssize_t)bytes.n)
        abort(); /* a record with a hole proves nothing */
    close(fd);
}

pl_err __real_pl_tls_read(struct pl_tls *t, struct pl_span *in, struct pl_wr *out, uint8_t *plain,
                          size_t cap, size_t *out_n);
pl_err __wrap_pl_tls_read(struct pl_tls *t, struct pl_span *in, struct pl_wr *out, uint8_t *plain,
                          size_t cap, size_t *out_n);
pl_err __wrap_pl_tls_read(struct pl_tls *t, struct pl_span *in, struct pl_wr *out, uint8_t *plain,
                          size_t cap, size_t *out_n)
{
    pl_err e = __real_pl_tls_read(t, in, out, plain, cap, out_n);
    if (pl_tls_peer(t)->present)
        record("certificates", PL_LIT("one\n"));
    if (e == PL_OK && *out_n > 0)
        record("raw", pl_span(plain, *out_n));
    return e;
}

pl_err __real_pl_h2_header(struct pl_h2 *h, struct h2_stream *s, struct pl_span name,
                           struct pl_span value);
pl_err __wrap_pl_h2_header(struct pl_h2 *h, struct h2_stream *s, struct pl_span name,
                           struct pl_span value);
pl_err __wrap_pl_h2_header(struct pl_h2 *h, struct h2_stream *s, struct pl_span name,
                           struct pl_span value)
{
    record("headers", name);
    record("headers", PL_LIT(": "));
    record("headers", value);
    record("headers", PL_LIT("\n"));
    return __real_pl_h2_header(h, s, name, value);
}

pl_err __real_pl_h2_data(struct pl_h2 *h, struct h2_stream *s, struct pl_span data);
pl_err __wrap_pl_h2_data(struct pl_h2 *h, struct h2_stream *s, struct pl_span data);
pl_err __wrap_pl_h2_data(struct pl_h2 *h, struct h2_stream *s, struct pl_span data)
{
    record("bodies", data);
    return __real_pl_h2_data(h, s, data);
}
