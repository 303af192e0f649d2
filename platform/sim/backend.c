#include "platform/sim/backend.h"
#include "platform/sim/sim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct sim {
    int fd;
    bool owed; /* the answer of a call that timed out has yet to come */
    bool spent;
};

/* The descriptor that was inherited, if it is a socket of this kind at all. */
static int inherited(void)
{
    const char *text = getenv(PL_SIM_FD_ENV);
    char *end = NULL;
    int kind = 0;
    socklen_t n = sizeof(kind);
    if (!text || *text < '0' || *text > '9')
        return -1;
    errno = 0;
    long fd = strtol(text, &end, 10);
    if (errno || *end || fd > 65535 || getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &kind, &n) != 0 ||
        kind != SOCK_STREAM)
        return -1;
    return (int)fd;
}

static pl_err call(struct sim *s, enum pl_sim_op op, struct pl_span body, struct pl_wr *out,
                   unsigned timeout_ms)
{
    PL_REQUIRE(!s->spent, TEE_DEVICE);
    if (s->owed) {
        struct pl_wr late PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_SIM_ANSWER_MAX);
        pl_err e = pl_sim_answer(s->fd, &late, timeout_ms, &s->owed);
        s->spent = pl_err_code(e) == PL_E_TEE_DEVICE;
        PL_REQUIRE(!s->spent, TEE_DEVICE);
        PL_REQUIRE(!s->owed, TEE_BUSY);
    }
    pl_err e = pl_sim_call(s->fd, op, body, out, timeout_ms, &s->owed);
    s->spent = pl_err_code(e) == PL_E_TEE_DEVICE;
    return e;
}

static void sim_close(void *dev)
{
    struct sim *s = dev;
    close(s->fd);
    free(s);
}

/* simd reads this process's maps and memory to measure it: where Yama allows that to nobody, allow
 * it to simd for the moment. Elsewhere the call fails, and nothing is missing. */
static void let_in(int fd, bool in)
{
    struct ucred peer = {0};
    socklen_t n = sizeof(peer);
    if (in && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0)
        return;
    (void)prctl(PR_SET_PTRACER, in ? (unsigned long)peer.pid : 0UL, 0UL, 0UL, 0UL);
}

static pl_err hello(struct sim *s, struct pl_tee_self *self)
{
    uint8_t answer[PL_SIM_HELLO_BYTES];
    struct pl_wr w = pl_wr_fixed(answer, sizeof(answer));
    let_in(s->fd, true);
    pl_err e = call(s, PL_SIM_HELLO, pl_span(NULL, 0), &w, PL_SIM_ANSWER_MS);
    let_in(s->fd, false);
    PL_TRY(e);
    PL_REQUIRE(w.n == sizeof(answer), TEE_DEVICE);
    PL_REQUIRE(prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL) == 0, HARDEN);
    struct pl_rd r = pl_rd(PL_ARR(answer));
    uint8_t flags = pl_rd_u8(&r);
    *self = (struct pl_tee_self){.tee = "sim-sgx",
                                 .format = "sgx",
                                 .trusted_timer = flags & PL_SIM_FLAG_TIMER,
                                 .debug = flags & PL_SIM_FLAG_DEBUG,
                                 .seals = true,
                                 .measurements = 2};
    self->measurement[0] = (struct pl_tee_measurement){.name = "mrenclave", .n = 32};
    self->measurement[1] = (struct pl_tee_measurement){.name = "mrsigner", .n = 32};
    pl_rd_copy(&r, self->measurement[0].bytes, 32);
    pl_rd_copy(&r, self->measurement[1].bytes, 32);
    (void)pl_rd_be16(&r); /* prod_id: in the evidence */
    self->svn = pl_rd_be16(&r);
    return pl_rd_end(&r);
}

static pl_err sim_open(void **out_dev, struct pl_tee_self *self)
{
    int fd = inherited();
    PL_REQUIRE(fd >= 0, TEE_NONE);
    struct sim *s = calloc(1, sizeof(*s));
    PL_REQUIRE(s, NO_MEMORY);
    s->fd = fd;
    pl_err e = fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && unsetenv(PL_SIM_FD_ENV) == 0
                   ? hello(s, self)
                   : PL_FAIL(TEE_DEVICE);
    if (e != PL_OK) {
        sim_close(s);
        return e;
    }
    *out_dev = s;
    return PL_OK;
}

static pl_err sim_evidence(void *dev, struct pl_wr *out, const uint8_t *report_data,
                           unsigned timeout_ms)
{
    return call(dev, PL_SIM_EVIDENCE, pl_span(report_data, PL_TEE_REPORT_DATA_BYTES), out,
                timeout_ms);
}

static pl_err sim_seal_key(void *dev, uint8_t *out, struct pl_span label)
{
    uint8_t key[PL_TEE_SEAL_KEY_BYTES];
    struct pl_wr w = pl_wr_fixed(key, sizeof(key));
    pl_err e = call(dev, PL_SIM_SEAL_KEY, label, &w, PL_SIM_ANSWER_MS);
    if (e == PL_OK && w.n != sizeof(key))
        e = PL_FAIL(TEE_DEVICE);
    if (e == PL_OK)
        memcpy(out, key, sizeof(key));
    pl_wipe(key, sizeof(key));
    return e;
}

static pl_err files(void *dev, enum pl_sim_op op, struct pl_tee_files *out)
{
    PL_TRY(call(dev, op, pl_span(NULL, 0), &out->mem, PL_SIM_ANSWER_MS));
    return pl_sim_files_read(out, pl_wr_span(&out->mem));
}

static pl_err sim_measured(void *dev, struct pl_tee_files *out)
{
    return files(dev, PL_SIM_MEASURED, out);
}

static pl_err sim_collateral(void *dev, struct pl_tee_files *out)
{
    return files(dev, PL_SIM_COLLATERAL, out);
}

const struct pl_tee_backend pl_tee_sim = {
    .name = "sim",
    .open = sim_open,
    .close = sim_close,
    .evidence = sim_evidence,
    .seal_key = sim_seal_key,
    .measured = sim_measured,
    .collateral = sim_collateral,
};
