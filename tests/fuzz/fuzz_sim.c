/* What a process and pleiad-simd say to each other, both ends. An even first byte: the rest is what
 * a client sends, to the daemon's own code with a machine that does nothing; odd: what a daemon
 * answers, or the lists inside its answers and images. */
#include "fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int quiet(FILE *to, const char *format, ...)
{
    (void)to, (void)format;
    return 0;
}
#undef fprintf
#define fprintf quiet
#include "daemons/simd/client.c"
#undef fprintf

static struct pl_machine machine;
static bool lives, measurable;

bool pl_measured_lives(int mem, uint64_t probe_at) { return lives && mem == -1 && probe_at == 7; }

pl_err pl_measure_process(struct pl_crypto *c, struct pl_measured *out, pid_t pid, int pidfd)
{
    (void)c, (void)pid, (void)pidfd;
    PL_REQUIRE(measurable, MEASURE_CODE);
    *out = (struct pl_measured){.n = 1, .mem = -1, .probe_at = 7};
    return PL_OK;
}

pl_err pl_machine_hello(struct pl_machine *m, struct pl_wr *out, const struct pl_verdict *v)
{
    (void)m;
    pl_wr_u8(out, 0);
    pl_wr_bytes(out, PL_ARR(v->mrenclave));
    pl_wr_zeros(out, 32);
    pl_wr_be16(out, v->prod_id);
    pl_wr_be16(out, v->svn);
    return pl_wr_end(out);
}

pl_err pl_machine_quote(struct pl_machine *m, struct pl_wr *out, const struct pl_verdict *v,
                        const uint8_t report_data[64])
{
    (void)m, (void)v;
    PL_REQUIRE(report_data[0] != 'x', TEE_DEVICE);
    pl_wr_bytes(out, pl_span(report_data, 64));
    return pl_wr_end(out);
}

pl_err pl_machine_seal_key(struct pl_machine *m, struct pl_wr *out, const struct pl_verdict *v,
                           struct pl_span label)
{
    (void)m, (void)v;
    FUZZ_CHECK(label.n >= 1 && label.n <= PL_TEE_LABEL_MAX);
    pl_wr_zeros(out, 32);
    return pl_wr_end(out);
}

pl_err pl_machine_collateral(struct pl_machine *m, struct pl_wr *out)
{
    (void)m;
    pl_wr_u8(out, 0);
    return pl_wr_end(out);
}

struct pair {
    int fd[2];
};

static void close_both(struct pair *p)
{
    close(p->fd[0]);
    close(p->fd[1]);
}

/* A socket that has these bytes to read, and then its end. */
static bool filled(struct pair *p, struct pl_span bytes)
{
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->fd) == 0);
    int on = 1;
    FUZZ_CHECK(setsockopt(p->fd[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
    ssize_t n = bytes.n ? send(p->fd[1], bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    shutdown(p->fd[1], SHUT_WR);
    return n >= 0;
}

/* The answers: each a whole frame with a status. */
static void check_answer(const struct client *k)
{
    struct pl_rd r = pl_rd(pl_wr_span(&k->out));
    uint32_t n = pl_rd_be32(&r);
    uint8_t status = pl_rd_u8(&r);
    FUZZ_CHECK(!r.bad && !k->out.bad && n + 4 == k->out.n);
    FUZZ_CHECK(status >= PL_SIM_OK && status <= PL_SIM_FAILED);
    FUZZ_CHECK(n == 1 || status == PL_SIM_OK);
}

static void serve_it(struct pl_span in, bool queue_full)
{
    struct pair p PL_CLEANUP(close_both);
    struct client k;
    bool whole, more = filled(&p, in) && client_open(&k, dup(p.fd[0]), 1);
    if (!more)
        return;
    while (more && client_read(&k, 1, &whole)) {
        if (!whole)
            continue;
        more = client_act(&k, &machine, queue_full);
        if (more && k.wants_quote)
            client_quote(&k, &machine);
        if (!more)
            break;
        client_answering(&k, 1);
        FUZZ_CHECK(client_busy(&k));
        check_answer(&k);
        uint8_t drop[4096];
        more = client_write(&k);
        while (recv(p.fd[1], drop, sizeof(drop), MSG_DONTWAIT) > 0)
            continue;
    }
    client_close(&k, NULL);
    FUZZ_CHECK(k.state == CLIENT_FREE);
}

static void lists(struct pl_span in)
{
    static struct pl_tee_files files;
    static struct pl_sim_image image, again;
    if (pl_sim_files_read(&files, in) == PL_OK)
        FUZZ_CHECK(files.n <= PL_TEE_FILES_MAX);
    if (pl_sim_image_read(&image, in) != PL_OK)
        return;
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(in.n);
    pl_sim_image_write(&w, &image);
    FUZZ_CHECK(pl_span_eq(pl_wr_span(&w), in));
    FUZZ_CHECK(pl_sim_image_read(&again, pl_wr_span(&w)) == PL_OK && again.files == image.files);
    uint8_t digest[2][32] = {{1}, {0}}, name[32];
    FUZZ_CHECK(pl_sim_mrenclave(machine.c, name, digest, 2, &image) == PL_OK);
}

static void answered(struct pl_span in)
{
    struct pair p PL_CLEANUP(close_both);
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_SIM_ANSWER_MAX);
    bool owed, more = filled(&p, in);
    while (more) { /* each of them, until one does not fit */
        w.n = 0;
        pl_err e = pl_sim_answer(p.fd[0], &w, 0, &owed);
        FUZZ_CHECK(pl_err_code(e) != PL_E_BUG && !owed);
        more = e == PL_OK;
    }
    w.n = 0; /* what is asked now gets what is left, or an end */
    pl_err e = in.n ? pl_sim_call(p.fd[0], PL_SIM_HELLO, in, &w, 0, &owed) : PL_OK;
    FUZZ_CHECK(pl_err_code(e) != PL_E_BUG && w.n <= PL_SIM_ANSWER_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!machine.c)
        FUZZ_CHECK(pl_crypto_new(&machine.c) == PL_OK);
    if (size == 0)
        return 0;
    struct pl_span rest = pl_span(data + 1, size - 1);
    lives = !(data[0] & 4);
    measurable = !(data[0] & 8);
    if (!(data[0] & 1)) {
        serve_it(rest, (data[0] & 2) != 0);
        return 0;
    }
    lists(rest);
    answered(rest);
    return 0;
}
