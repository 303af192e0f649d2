#include "platform/store/internal.h"

#include <errno.h>
#include <stdio.h>

/* One start's reading. A segment is read whole, so that what follows a frame can be looked at. */
struct reading {
    const struct pl_store_options *o;
    struct pl_store_dir *dir;
    struct pl_store_report *report;
    struct pl_crypto *c;
    struct secrets *secrets;
    struct names names;
    struct pl_log_end end;
    bool end_known; /* false before the first frame of a log whose oldest segments were archived */

    struct pl_snapshot snapshot;
    bool has_snapshot, chained; /* the frame that the snapshot names was seen */

    uint8_t *mem; /* SEGMENT_BYTES_MAX */
    size_t n, high, at;
    uint8_t *last; /* the last segment's last good frame, as it is on disk */
    size_t last_n;
    uint64_t last_at;
};

static pl_err open_to_read(struct reading *r, const char *name, int *out_fd, uint64_t *out_size)
{
    const struct pl_io *io = r->dir->io;
    struct pl_store_place *place = &r->report->place;
    *place = (struct pl_store_place){.offset = 0};
    snprintf(place->file, sizeof(place->file), "%s", name);
    *out_fd = io->open(io->ctx, r->dir->fd, name, PL_IO_READ);
    PL_REQUIRE(*out_fd != -ENOENT, STORE_SEGMENT);
    if (*out_fd < 0)
        return pl_io_failed(place, name, *out_fd);
    int64_t size = io->size(io->ctx, *out_fd);
    *out_size = size < 0 ? 0 : (uint64_t)size;
    if (size >= 0)
        return PL_OK;
    io->close(io->ctx, *out_fd);
    return pl_io_failed(place, name, size);
}

/* ---- the snapshot --------------------------------------------------------------------------- */

static pl_err read_chunks(struct reading *r, int fd, uint64_t size)
{
    struct pl_snapshot_codec *k = &r->secrets->snapshot;
    const size_t sealed = PL_SNAPSHOT_CHUNK + PL_GCM_TAG_BYTES;
    for (uint64_t at = PL_SNAPSHOT_HEADER_BYTES; !k->done;) {
        r->report->place.offset = at;
        uint64_t left = size - at;
        size_t n = left < sealed ? (size_t)left : sealed;
        PL_TRY(pl_read_all(r->dir, fd, r->mem, n, at));
        PL_TRY(pl_snapshot_open(r->c, k, r->mem, pl_span(r->mem, n), left <= sealed));
        if (r->o->on_snapshot)
            PL_TRY(r->o->on_snapshot(r->o->ctx, pl_span(r->mem, n - PL_GCM_TAG_BYTES), k->done));
        at += n;
    }
    return PL_OK;
}

static pl_err read_snapshot(struct reading *r, int fd, uint64_t size)
{
    PL_REQUIRE(size >= PL_SNAPSHOT_HEADER_BYTES, SNAPSHOT_HEADER);
    PL_TRY(pl_read_all(r->dir, fd, r->mem, PL_SNAPSHOT_HEADER_BYTES, 0));
    PL_TRY(pl_snapshot_read(r->c, &r->secrets->snapshot, &r->snapshot,
                            pl_span(r->mem, PL_SNAPSHOT_HEADER_BYTES), r->o->root));
    struct pl_span id = pl_span(r->o->vault_id, PL_VAULT_ID_BYTES);
    PL_REQUIRE(r->snapshot.at.index == r->names.newest &&
                   pl_span_eq(PL_ARR(r->snapshot.vault_id), id),
               SNAPSHOT_HEADER);
    PL_TRY(read_chunks(r, fd, size));
    r->has_snapshot = true;
    r->report->from_snapshot = r->snapshot.at.index;
    return PL_OK;
}

/* Only the newest. That an older one could do is for a person to decide: store.h says why. */
static pl_err newest_snapshot(struct reading *r)
{
    char name[NAME_BYTES];
    int fd;
    uint64_t size;
    if (r->names.snapshots == 0)
        return PL_OK;
    pl_snapshot_name(name, r->names.newest);
    PL_TRY(open_to_read(r, name, &fd, &size));
    pl_err e = read_snapshot(r, fd, size);
    r->dir->io->close(r->dir->io->ctx, fd);
    return e;
}

/* ---- frames --------------------------------------------------------------------------------- */

static pl_err read_segment(struct reading *r, uint64_t number)
{
    char name[NAME_BYTES];
    int fd;
    uint64_t size;
    pl_segment_name(name, number);
    PL_TRY(open_to_read(r, name, &fd, &size));
    pl_err e = size % PL_LOG_BLOCK_BYTES == 0 && size <= SEGMENT_BYTES_MAX
                   ? pl_read_all(r->dir, fd, r->mem, (size_t)size, 0)
                   : PL_FAIL(STORE_SEGMENT);
    r->dir->io->close(r->dir->io->ctx, fd);
    r->n = e == PL_OK ? (size_t)size : 0;
    r->high = r->n > r->high ? r->n : r->high;
    r->at = 0;
    return e;
}

/* The frame that the snapshot names must be this one: same place, same tag, holding its entry. */
static pl_err chain_snapshot(struct reading *r, const struct pl_frame_reader *frame)
{
    const struct pl_log_end *at = &r->snapshot.at;
    if (!r->has_snapshot || r->chained || r->end.index < at->index)
        return PL_OK;
    PL_REQUIRE(r->end.epoch == at->epoch && r->end.sequence == at->sequence &&
                   pl_span_eq(PL_ARR(r->end.tag), PL_ARR(at->tag)) && frame->index < at->index,
               SNAPSHOT_CHAIN);
    r->chained = true;
    return PL_OK;
}

static pl_err give_entries(struct reading *r, struct pl_frame_reader *frame)
{
    struct pl_entry entry;
    while (pl_frame_next(frame, &entry)) {
        bool covered = r->has_snapshot && entry.index < r->snapshot.at.index;
        if (!covered && r->o->on_entry)
            PL_TRY(r->o->on_entry(r->o->ctx, &entry));
    }
    return PL_OK;
}

static pl_err read_frame(struct reading *r, bool last_segment)
{
    struct pl_epoch *epoch = &r->secrets->reader;
    struct pl_frame_header h;
    struct pl_frame_reader frame;
    uint8_t *p = r->mem + r->at;
    PL_TRY(pl_frame_header(r->c, &h, pl_span(p, r->n - r->at)));
    if (last_segment) {
        memcpy(r->last, p, h.length);
        r->last_n = h.length;
        r->last_at = r->at;
    }
    PL_TRY(pl_frame_open(r->c, epoch, &frame, p, h.length));
    r->end = (struct pl_log_end){epoch->number, epoch->sequence - 1, epoch->index, {0}};
    memcpy(r->end.tag, epoch->tag, sizeof(r->end.tag));
    r->report->frames++;
    PL_TRY(chain_snapshot(r, &frame));
    PL_TRY(give_entries(r, &frame));
    r->at += h.length;
    return PL_OK;
}

/* The segment's epoch, from the salt in its first frame. When older segments were archived under a
 * snapshot, the first frame that is left says itself what it follows; the snapshot then has to
 * chain to it or to a later one. */
static pl_err begin_epoch(struct reading *r, uint64_t number)
{
    struct pl_frame_header h;
    PL_TRY(pl_frame_header(r->c, &h, pl_span(r->mem, r->n)));
    if (!r->end_known) {
        memcpy(r->end.tag, h.before, sizeof(r->end.tag));
        r->end.index = PL_INDEX_ANY;
        r->end_known = true;
    }
    struct pl_epoch_start start = {r->o->root, r->o->vault_id, h.salt, &r->end, number};
    return pl_epoch_begin(r->c, &r->secrets->reader, &start);
}

static pl_err segment_end(struct reading *r, enum pl_tail tail, bool last_segment)
{
    if (tail == PL_TAIL_END)
        return PL_OK;
    PL_REQUIRE(tail == PL_TAIL_TORN && last_segment, FRAME_HEADER);
    r->report->tail_cut = true;
    r->report->tail_bytes = r->n - r->at;
    return PL_OK;
}

static pl_err replay_segment(struct reading *r, uint64_t number)
{
    bool last_segment = number == r->names.last;
    struct pl_store_place *place = &r->report->place;
    PL_TRY(read_segment(r, number));
    for (uint64_t sequence = 0;; sequence++) {
        enum pl_tail tail;
        place->offset = r->at;
        place->epoch = number;
        place->sequence = sequence;
        PL_TRY(pl_frame_tail(r->c, &tail, pl_span(r->mem + r->at, r->n - r->at), r->o->vault_id));
        if (tail != PL_TAIL_FRAME) {
            PL_REQUIRE(sequence > 0 || last_segment || tail == PL_TAIL_DAMAGED, STORE_SEGMENT);
            return segment_end(r, tail, last_segment);
        }
        if (sequence == 0)
            PL_TRY(begin_epoch(r, number));
        PL_TRY(read_frame(r, last_segment));
    }
}

static pl_err replay_log(struct reading *r)
{
    struct pl_store_place *place = &r->report->place;
    const struct names *s = &r->names;
    r->end_known = s->first <= 1;
    r->report->first_epoch = s->first;
    for (uint64_t n = s->first; s->segments && n <= s->last; n++) {
        *place = (struct pl_store_place){.epoch = n};
        pl_segment_name(place->file, n);
        /* From 1, or from where a snapshot makes the older ones unnecessary; without a gap. */
        PL_REQUIRE(n > 1 || s->first == 1, STORE_SEGMENT);
        PL_REQUIRE(s->first == 1 || (r->has_snapshot && r->o->archived), STORE_SEGMENT);
        PL_TRY(replay_segment(r, n));
        r->report->segments++;
    }
    r->report->entries = r->end.index;
    PL_REQUIRE(!r->has_snapshot || r->chained, STORE_LOG_SHORT);
    return PL_OK;
}

/* ---- after everything was found good -------------------------------------------------------- */

/* The last frame may be in the kernel's cache and not on the disk: a process whose write failed
 * leaves that behind. Nothing may chain to it before it is durable, so it is written again: the
 * same bytes at the same place. Then all that follows it, zeros or a torn frame, is cut off. */
static int settle(struct reading *r, int fd)
{
    const struct pl_io *io = r->dir->io;
    ssize_t w = io->pwrite(io->ctx, fd, r->last, r->last_n, r->last_at);
    if (w < 0 || (size_t)w != r->last_n)
        return w < 0 ? (int)w : -EIO;
    int e = io->sync(io->ctx, fd);
    if (e >= 0 && r->n > r->last_at + r->last_n)
        e = io->truncate(io->ctx, fd, r->last_at + r->last_n);
    return e < 0 ? e : io->sync(io->ctx, fd);
}

static pl_err settle_end(struct reading *r)
{
    static const char *const unfinished[] = {"log.new", "snapshot.new", "root.sealed.new"};
    const struct pl_io *io = r->dir->io;
    for (size_t i = 0; i < sizeof(unfinished) / sizeof(unfinished[0]); i++)
        io->unlink(io->ctx, r->dir->fd, unfinished[i]); /* mostly not there; harmless if it stays */
    if (r->last_n == 0)
        return PL_OK; /* the last segment has no frame: its name is taken over by the next one */
    char name[NAME_BYTES];
    pl_segment_name(name, r->names.last);
    int fd = io->open(io->ctx, r->dir->fd, name, PL_IO_WRITE);
    if (fd < 0)
        return pl_io_failed(&r->report->place, name, fd);
    int e = settle(r, fd);
    io->close(io->ctx, fd);
    return e < 0 ? pl_io_failed(&r->report->place, name, e) : PL_OK;
}

static pl_err read_everything(struct reading *r)
{
    PL_TRY(pl_dir_names(r->dir, &r->names));
    PL_TRY(newest_snapshot(r));
    PL_TRY(replay_log(r));
    if (!r->report->tail_cut)
        r->report->place = (struct pl_store_place){.offset = 0};
    return settle_end(r);
}

pl_err pl_replay(struct replayed *out, struct pl_store_report *report,
                 const struct pl_store_options *o, struct pl_crypto *c, struct secrets *secrets)
{
    struct reading r = {.o = o, .dir = o->dir, .report = report, .c = c, .secrets = secrets};
    r.mem = pl_map_pages(SEGMENT_BYTES_MAX);
    r.last = pl_map_pages(PL_FRAME_BYTES_MAX);
    pl_err e = r.mem && r.last ? read_everything(&r) : PL_FAIL(NO_MEMORY);
    size_t used = r.high > PL_SNAPSHOT_CHUNK ? r.high : PL_SNAPSHOT_CHUNK;
    pl_unmap_pages(r.mem, SEGMENT_BYTES_MAX, used);
    pl_unmap_pages(r.last, PL_FRAME_BYTES_MAX, 0);
    pl_wipe(&secrets->reader, sizeof(secrets->reader));
    pl_wipe(&secrets->snapshot, sizeof(secrets->snapshot));
    out->end = r.end;
    out->next_epoch = r.names.last + (r.last_n > 0 || r.names.segments == 0);
    return e;
}
