#include "daemons/simd/client.h"
#include "daemons/simd/measure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HEAD = 4, CHUNK = 64 * 1024 };

bool client_open(struct client *k, int fd, int64_t now_ms)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);
    int on = 1;
    *k = (struct client){.fd = fd, .pidfd = -1, .mem = -1};
    bool ok = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && peer.pid > 0 &&
              (peer.uid == geteuid() || peer.uid == 0) &&
              setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0;
    if (ok)
        k->pidfd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
    if (!ok || k->pidfd < 0) {
        close(fd);
        return false;
    }
    k->pid = peer.pid;
    k->state = CLIENT_NEW;
    k->deadline_ms = now_ms + PL_SIMD_REGISTER_MS;
    k->in = pl_wr_heap(HEAD + PL_SIM_REQUEST_MAX);
    k->out = pl_wr_heap(HEAD + PL_SIM_ANSWER_MAX);
    return true;
}

void client_close(struct client *k, const char *why)
{
    if (why)
        fprintf(stderr, "pleiad-simd: process %d: %s\n", (int)k->pid, why);
    close(k->fd);
    close(k->pidfd);
    if (k->mem >= 0)
        close(k->mem);
    pl_wr_free(&k->in);
    pl_wr_free(&k->out);
    pl_wr_free(&k->image_bytes);
    pl_wipe(k, sizeof(*k));
}

/* How many bytes the request needs that is being received; 0: its length is not allowed. */
static size_t frame_bytes(const struct client *k)
{
    struct pl_rd r = pl_rd(pl_wr_span(&k->in));
    if (k->in.n < HEAD)
        return HEAD;
    size_t n = pl_rd_be32(&r);
    return n >= 1 && n <= PL_SIM_REQUEST_MAX ? HEAD + n : 0;
}

/* Was this piece sent by the process that connected? The kernel attaches who sent it, never glues
 * pieces of two senders, and has no room here for descriptors, so those are cut and noticed. */
static bool from_owner(const struct client *k, struct msghdr *msg)
{
    struct ucred sender = {0};
    bool found = false;
    if (msg->msg_flags & MSG_CTRUNC)
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
            return false;
        memcpy(&sender, CMSG_DATA(c), sizeof(sender));
        found = true;
    }
    return found && sender.pid == k->pid;
}

bool client_read(struct client *k, int64_t now_ms, bool *out_complete)
{
    static uint8_t buf[CHUNK];
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    size_t whole = frame_bytes(k);
    *out_complete = false;
    size_t want = whole - k->in.n < sizeof(buf) ? whole - k->in.n : sizeof(buf);
    struct iovec iov = {buf, want};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(k->fd, &msg, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0 || !from_owner(k, &msg))
        return false;
    if (k->in.n == 0 && k->deadline_ms == 0)
        k->deadline_ms = now_ms + PL_SIMD_FRAME_MS;
    pl_wr_bytes(&k->in, pl_span(buf, (size_t)n));
    whole = frame_bytes(k);
    *out_complete = k->in.n > HEAD && k->in.n == whole;
    return whole != 0 && !k->in.bad;
}

bool client_write(struct client *k)
{
    while (k->sent < k->out.n) {
        ssize_t n =
            send(k->fd, k->out.p + k->sent, k->out.n - k->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        k->sent += (size_t)n;
    }
    pl_wipe(k->out.p, k->out.n); /* a sealing key may have been in it */
    k->out.n = k->sent = 0;
    k->deadline_ms = 0;
    return true;
}

void client_answering(struct client *k, int64_t now_ms)
{
    k->deadline_ms = now_ms + PL_SIMD_FRAME_MS;
}

/* An answer with a body that `open` left room for, or without one. */
static void answer(struct client *k, enum pl_sim_status status)
{
    uint8_t head[HEAD + 1];
    if (status != PL_SIM_OK || k->out.bad || k->out.n < sizeof(head)) {
        status = k->out.bad ? PL_SIM_FAILED : status;
        k->out.n = 0, k->out.bad = false;
        pl_wr_zeros(&k->out, sizeof(head));
    }
    struct pl_wr w = pl_wr_fixed(head, sizeof(head));
    pl_wr_be32(&w, (uint32_t)(k->out.n - HEAD));
    pl_wr_u8(&w, (uint8_t)status);
    if (k->out.p)
        memcpy(k->out.p, head, sizeof(head));
}

static void answer_or_fail(struct client *k, pl_err e)
{
    if (e != PL_OK)
        fprintf(stderr, "pleiad-simd: process %d: %s [%s %s:%d]\n", (int)k->pid,
                pl_code_text(pl_err_code(e)), pl_code_name(pl_err_code(e)), e->file, e->line);
    answer(k, e == PL_OK ? PL_SIM_OK : PL_SIM_FAILED);
}

static bool do_register(struct client *k)
{
    if (k->state != CLIENT_NEW)
        return false;
    /* The frame's memory moves to the image, whose spans point into it. */
    k->image_bytes = k->in;
    k->in = pl_wr_heap(HEAD + PL_SIM_REQUEST_MAX);
    struct pl_span body = pl_span(k->image_bytes.p + HEAD + 1, k->image_bytes.n - HEAD - 1);
    if (pl_sim_image_read(&k->image, body) != PL_OK)
        return false;
    k->state = CLIENT_REGISTERED;
    answer(k, PL_SIM_OK);
    return true;
}

static pl_err measure(struct client *k, struct pl_machine *m)
{
    struct pl_measured files;
    PL_TRY(pl_measure_process(m->c, &files, k->pid, k->pidfd));
    k->mem = files.mem;
    k->probe_at = files.probe_at;
    k->verdict.prod_id = k->image.prod_id;
    k->verdict.svn = k->image.svn;
    return pl_sim_mrenclave(m->c, k->verdict.mrenclave, files.digest, files.n, &k->image);
}

static bool do_hello(struct client *k, struct pl_machine *m)
{
    if (k->state != CLIENT_REGISTERED)
        return false;
    pl_err e = measure(k, m);
    if (e != PL_OK) {
        fprintf(stderr, "pleiad-simd: process %d is not measured: %s [%s]\n", (int)k->pid,
                pl_code_text(pl_err_code(e)), pl_code_name(pl_err_code(e)));
        answer(k, PL_SIM_REFUSED);
        return true;
    }
    k->state = CLIENT_MEASURED;
    answer_or_fail(k, pl_machine_hello(m, &k->out, &k->verdict));
    return true;
}

static void do_measured(struct client *k)
{
    pl_wr_u8(&k->out, (uint8_t)k->image.files);
    for (size_t i = 0; i < k->image.files; i++) {
        pl_wr_vec(&k->out, pl_span_str(k->image.file[i].name));
        pl_wr_vec(&k->out, k->image.file[i].bytes);
    }
    answer(k, PL_SIM_OK);
}

static bool ask_quote(struct client *k, struct pl_span body, bool queue_full)
{
    if (body.n != sizeof(k->report_data))
        return false;
    if (queue_full) {
        answer(k, PL_SIM_BUSY);
        return true;
    }
    memcpy(k->report_data, body.p, body.n);
    k->wants_quote = true;
    return true;
}

void client_quote(struct client *k, struct pl_machine *m)
{
    k->wants_quote = false;
    pl_wr_zeros(&k->out, HEAD + 1);
    answer_or_fail(k, pl_machine_quote(m, &k->out, &k->verdict, k->report_data));
}

/* Requests of a process that was measured. */
static bool serve(struct client *k, struct pl_machine *m, uint8_t op, struct pl_span body,
                  bool queue_full)
{
    if (!pl_measured_lives(k->mem, k->probe_at))
        return false;
    switch (op) {
    case PL_SIM_EVIDENCE:
        return ask_quote(k, body, queue_full);
    case PL_SIM_SEAL_KEY:
        if (body.n < 1 || body.n > PL_TEE_LABEL_MAX)
            return false;
        answer_or_fail(k, pl_machine_seal_key(m, &k->out, &k->verdict, body));
        return true;
    case PL_SIM_MEASURED:
        do_measured(k);
        return body.n == 0;
    case PL_SIM_COLLATERAL:
        answer_or_fail(k, pl_machine_collateral(m, &k->out));
        return body.n == 0;
    default:
        return false;
    }
}

bool client_act(struct client *k, struct pl_machine *m, bool queue_full)
{
    uint8_t op = k->in.p[HEAD];
    bool ok;
    pl_wr_zeros(&k->out, HEAD + 1); /* the head is filled in last */
    if (op == PL_SIM_REGISTER) {
        ok = do_register(k);
    } else {
        struct pl_span body = pl_span(k->in.p + HEAD + 1, k->in.n - HEAD - 1);
        ok = op == PL_SIM_HELLO            ? body.n == 0 && do_hello(k, m)
             : k->state == CLIENT_MEASURED ? serve(k, m, op, body, queue_full)
                                           : false;
    }
    k->in.n = 0;
    if (k->wants_quote)
        k->out.n = 0;
    return ok;
}
