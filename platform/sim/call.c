/* Both ends of the protocol's bytes, and the caller's side of a request. */
#include "platform/sim/sim.h"
#include "platform/platform.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void pl_sim_image_write(struct pl_wr *w, const struct pl_sim_image *image)
{
    pl_wr_be16(w, image->prod_id);
    pl_wr_be16(w, image->svn);
    pl_wr_vec(w, pl_span_str(image->name));
    pl_wr_u8(w, (uint8_t)image->files);
    for (size_t i = 0; i < image->files; i++) {
        pl_wr_vec(w, pl_span_str(image->file[i].name));
        pl_wr_vec(w, image->file[i].bytes);
    }
}

/* A name for people and for profiles: printable ASCII without a slash. */
static bool name(struct pl_rd *r, char *out, size_t max)
{
    struct pl_span s = pl_rd_vec(r, max);
    bool ok = s.n > 0 && !r->bad;
    for (size_t i = 0; i < s.n; i++)
        ok = ok && s.p[i] > ' ' && s.p[i] < 0x7f && s.p[i] != '/';
    if (ok)
        memcpy(out, s.p, s.n);
    out[ok ? s.n : 0] = '\0';
    return ok;
}

pl_err pl_sim_image_read(struct pl_sim_image *out, struct pl_span in)
{
    struct pl_rd r = pl_rd(in);
    *out = (struct pl_sim_image){.prod_id = pl_rd_be16(&r)};
    out->svn = pl_rd_be16(&r);
    bool ok = name(&r, out->name, PL_SIM_NAME_MAX);
    out->files = pl_rd_u8(&r);
    PL_REQUIRE(ok && out->files <= PL_TEE_MEASURED_MAX, TEE_REFUSED);
    for (size_t i = 0; i < out->files; i++) {
        ok = name(&r, out->file[i].name, PL_TEE_FILE_NAME_MAX);
        for (size_t j = 0; j < i; j++)
            ok = ok && strcmp(out->file[i].name, out->file[j].name) != 0;
        PL_REQUIRE(ok, TEE_REFUSED);
        out->file[i].bytes = pl_rd_vec(&r, PL_SIM_FILE_MAX);
    }
    return pl_rd_end(&r);
}

pl_err pl_sim_files_read(struct pl_tee_files *out, struct pl_span in)
{
    struct pl_rd r = pl_rd(in);
    size_t n = pl_rd_u8(&r);
    PL_REQUIRE(n <= PL_TEE_FILES_MAX, TEE_DEVICE);
    for (out->n = 0; out->n < n; out->n++) {
        PL_REQUIRE(name(&r, out->file[out->n].name, PL_TEE_FILE_NAME_MAX), TEE_DEVICE);
        out->file[out->n].bytes = pl_rd_vec(&r, PL_TEE_FILES_BYTES_MAX);
    }
    PL_REQUIRE(pl_rd_end(&r) == PL_OK, TEE_DEVICE);
    return PL_OK;
}

pl_err pl_sim_connect(int *out_fd, const char *socket_path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = strlen(socket_path);
    PL_REQUIRE(n < sizeof(a.sun_path), FILE_KIND);
    memcpy(a.sun_path, socket_path, n);
    *out_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    PL_REQUIRE(*out_fd >= 0, TEE_NONE);
    if (connect(*out_fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
        return PL_OK;
    close(*out_fd);
    *out_fd = -1;
    return PL_FAIL(TEE_NONE);
}

/* Waits until the descriptor is ready or the deadline is over. */
static bool ready(int fd, short what, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - pl_clock_mono_ms();
        struct pollfd p = {.fd = fd, .events = what};
        int n = poll(&p, 1, left > 0 ? (int)left : 0);
        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

static pl_err send_all(int fd, struct pl_span s, int64_t deadline_ms)
{
    while (s.n) {
        PL_REQUIRE(ready(fd, POLLOUT, deadline_ms), TEE_DEVICE);
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        PL_REQUIRE(n > 0, TEE_DEVICE);
        s = pl_span(s.p + n, s.n - (size_t)n);
    }
    return PL_OK;
}

static pl_err recv_all(int fd, uint8_t *out, size_t n, int64_t deadline_ms)
{
    while (n) {
        PL_REQUIRE(ready(fd, POLLIN, deadline_ms), TEE_DEVICE);
        ssize_t got = recv(fd, out, n, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        PL_REQUIRE(got > 0, TEE_DEVICE);
        out += got, n -= (size_t)got;
    }
    return PL_OK;
}

static pl_err status_error(uint8_t status)
{
    switch (status) {
    case PL_SIM_OK:
        return PL_OK;
    case PL_SIM_BUSY:
        return PL_FAIL(TEE_BUSY);
    case PL_SIM_REFUSED:
        return PL_FAIL(TEE_REFUSED);
    default:
        return PL_FAIL(TEE_DEVICE);
    }
}

pl_err pl_sim_answer(int fd, struct pl_wr *out, unsigned timeout_ms, bool *out_owed)
{
    uint8_t head[5];
    *out_owed = true;
    PL_REQUIRE(ready(fd, POLLIN, pl_clock_mono_ms() + timeout_ms), TEE_BUSY);
    *out_owed = false;
    int64_t deadline = pl_clock_mono_ms() + PL_SIM_ANSWER_MS;
    PL_TRY(recv_all(fd, head, sizeof(head), deadline));
    struct pl_rd r = pl_rd(PL_ARR(head));
    size_t n = pl_rd_be32(&r);
    uint8_t status = pl_rd_u8(&r);
    PL_REQUIRE(n >= 1 && n <= PL_SIM_ANSWER_MAX && (n == 1 || status == PL_SIM_OK), TEE_DEVICE);
    if (n > 1) {
        uint8_t *to = pl_wr_take(out, n - 1);
        PL_REQUIRE(to, TEE_DEVICE); /* the stream is out of step now */
        PL_TRY(recv_all(fd, to, n - 1, deadline));
    }
    return status_error(status);
}

pl_err pl_sim_call(int fd, enum pl_sim_op op, struct pl_span body, struct pl_wr *out,
                   unsigned timeout_ms, bool *out_owed)
{
    uint8_t head[5];
    struct pl_wr w = pl_wr_fixed(head, sizeof(head));
    int64_t deadline = pl_clock_mono_ms() + PL_SIM_ANSWER_MS;
    *out_owed = false;
    PL_REQUIRE(body.n < PL_SIM_REQUEST_MAX, TEE_REFUSED);
    pl_wr_be32(&w, (uint32_t)(body.n + 1));
    pl_wr_u8(&w, (uint8_t)op);
    PL_TRY(send_all(fd, pl_wr_span(&w), deadline));
    PL_TRY(send_all(fd, body, deadline));
    return pl_sim_answer(fd, out, timeout_ms, out_owed);
}
