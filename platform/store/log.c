#include "platform/store/internal.h"

#include "platform/platform.h"

#include <stdlib.h>

static void lock(struct pl_store *s) { PL_ASSERT(pthread_mutex_lock(&s->mutex) == 0); }
static void unlock(struct pl_store *s) { PL_ASSERT(pthread_mutex_unlock(&s->mutex) == 0); }

pl_err pl_store_draw(const struct pl_store *s, uint8_t *out, size_t n)
{
    return s->entropy ? s->entropy(s->ctx, out, n) : pl_entropy(out, n);
}

/* ---- opening -------------------------------------------------------------------------------- */

/* A new epoch, with a new salt, in a new segment. */
static pl_err begin_epoch(struct pl_store *s, struct pl_store_place *out_place,
                          const struct pl_log_end *end, uint64_t number)
{
    uint8_t salt[PL_EPOCH_SALT_BYTES];
    PL_TRY(pl_store_draw(s, salt, sizeof(salt)));
    struct pl_epoch_start start = {s->root, s->vault_id, salt, end, number};
    PL_TRY(pl_epoch_begin(s->crypto, &s->secrets->writer, &start));
    return pl_segments_advance(&s->segments, out_place, number);
}

static void check_options(const struct pl_store_options *o, size_t frame, size_t segment)
{
    PL_ASSERT(o->dir && o->dir->found == PL_FOUND_VAULT && o->root && o->vault_id && o->secrets);
    PL_ASSERT(frame % PL_LOG_BLOCK_BYTES == 0 && frame <= PL_FRAME_BYTES_MAX);
    PL_ASSERT(segment % PL_LOG_BLOCK_BYTES == 0 && segment >= frame &&
              segment <= SEGMENT_BYTES_MAX);
}

static pl_err prepare(struct pl_store *s, const struct pl_store_options *o, size_t segment)
{
    PL_REQUIRE(pthread_mutex_init(&s->mutex, NULL) == 0 && pthread_cond_init(&s->work, NULL) == 0 &&
                   pthread_cond_init(&s->done, NULL) == 0,
               NO_MEMORY);
    s->secrets = (struct secrets *)(void *)pl_arena_take(o->secrets, sizeof(*s->secrets));
    s->frame_mem[0] = pl_map_pages(s->frame_bytes);
    s->frame_mem[1] = pl_map_pages(s->frame_bytes);
    PL_REQUIRE(s->secrets && s->frame_mem[0] && s->frame_mem[1], NO_MEMORY);
    PL_TRY(pl_crypto_new(&s->crypto));
    return pl_segments_init(&s->segments, s->dir, segment);
}

static pl_err open_log(struct pl_store *s, struct pl_store_report *report,
                       const struct pl_store_options *o, size_t segment)
{
    struct replayed r;
    PL_TRY(prepare(s, o, segment));
    PL_TRY(pl_replay(&r, report, o, s->crypto, s->secrets));
    s->end = r.end;
    struct pl_store_place place = {.offset = 0};
    pl_err e = begin_epoch(s, &place, &r.end, r.next_epoch);
    if (e != PL_OK)
        report->place = place;
    PL_TRY(e);
    report->direct = s->segments.direct;
    s->open_frame = 1;
    pl_frame_begin(&s->open, s->frame_mem[0], s->frame_bytes, r.end.index);
    atomic_store(&s->durable, r.end.index);
    atomic_store(&s->state, PL_STORE_RUNNING);
    return PL_OK;
}

pl_err pl_store_open(struct pl_store **out, struct pl_store_report *out_report,
                     const struct pl_store_options *o)
{
    size_t frame = o->frame_bytes ? o->frame_bytes : PL_FRAME_BYTES_MAX;
    size_t segment = o->segment_bytes ? o->segment_bytes : SEGMENT_BYTES;
    *out = NULL;
    *out_report = (struct pl_store_report){.entries = 0};
    check_options(o, frame, segment);
    struct pl_store *s = calloc(1, sizeof(*s));
    PL_REQUIRE(s, NO_MEMORY);
    s->root = o->root;
    s->entropy = o->entropy;
    s->wake = o->wake;
    s->ctx = o->ctx;
    s->dir = o->dir;
    s->frame_bytes = frame;
    s->error = PL_OK;
    memcpy(s->vault_id, o->vault_id, sizeof(s->vault_id));
    pl_err e = open_log(s, out_report, o, segment);
    if (e != PL_OK) {
        pl_store_close(s);
        return e;
    }
    *out = s;
    return PL_OK;
}

/* ---- appending ------------------------------------------------------------------------------ */

enum pl_store_state pl_store_state(const struct pl_store *s)
{
    return (enum pl_store_state)atomic_load(&s->state);
}

uint64_t pl_store_durable(const struct pl_store *s) { return atomic_load(&s->durable); }

pl_err pl_store_error(struct pl_store *s, struct pl_store_place *out_place)
{
    lock(s);
    pl_err e = s->error;
    *out_place = s->place;
    unlock(s);
    return e;
}

pl_err pl_store_room(struct pl_store *s, size_t entries, size_t body_bytes)
{
    struct pl_frame empty;
    pl_frame_begin(&empty, NULL, s->frame_bytes, 0);
    PL_REQUIRE(entries > 1 || body_bytes <= PL_ENTRY_BODY_MAX, ENTRY_SIZE);
    PL_REQUIRE(pl_frame_fits(&empty, entries, body_bytes), ENTRY_SIZE);
    PL_REQUIRE(pl_store_state(s) == PL_STORE_RUNNING, LOG_LOCKED);
    lock(s);
    bool fits = pl_frame_fits(&s->open, entries, body_bytes);
    unlock(s);
    PL_REQUIRE(fits, LOG_FULL);
    return PL_OK;
}

uint64_t pl_store_append(struct pl_store *s, enum pl_entry_kind kind, struct pl_span body)
{
    lock(s);
    uint64_t index = pl_frame_add(&s->open, kind, body);
    PL_ASSERT(pthread_cond_signal(&s->work) == 0);
    unlock(s);
    return index;
}

uint64_t pl_store_next_index(struct pl_store *s)
{
    lock(s);
    uint64_t index = s->open.index + s->open.count;
    unlock(s);
    return index;
}

/* ---- the log thread ------------------------------------------------------------------------- */

/* Takes the open frame, and opens the other one; no entries in out when there is nothing to do. */
static void swap(struct pl_store *s, struct pl_frame *out)
{
    lock(s);
    *out = s->open;
    if (pl_store_state(s) != PL_STORE_RUNNING)
        out->count = 0;
    if (out->count > 0) {
        s->open_in ^= 1;
        s->open_frame++;
        pl_frame_begin(&s->open, s->frame_mem[s->open_in], s->frame_bytes, out->index + out->count);
    }
    unlock(s);
}

static bool segment_is_full(const struct pl_store *s, const struct pl_frame *f)
{
    return f->n + PL_GCM_TAG_BYTES > s->segments.bytes - s->segments.at;
}

/* An epoch ends with its segment, long before its 2^32 frames. */
static pl_err write_frame(struct pl_store *s, struct pl_frame *f, struct pl_store_place *place)
{
    struct pl_span bytes;
    struct pl_epoch *epoch = &s->secrets->writer;
    if (segment_is_full(s, f))
        PL_TRY(begin_epoch(s, place, &s->end, epoch->number + 1));
    memcpy(place->file, s->segments.name, sizeof(place->file));
    place->offset = s->segments.at;
    place->epoch = epoch->number;
    place->sequence = epoch->sequence;
    PL_TRY(pl_frame_seal(s->crypto, epoch, f, &bytes));
    return pl_segments_write(&s->segments, bytes, &place->os_error);
}

/* What a mark waits for: the end of its frame, with the entries that the mark counted. */
static void settle_mark(struct pl_store *s)
{
    if (s->marked_known || s->marked_frame != s->frames_done)
        return;
    uint64_t index = s->marked.index;
    s->marked = s->end;
    s->marked.index = index;
    s->marked_known = true;
}

static void publish(struct pl_store *s, pl_err e, const struct pl_store_place *place)
{
    const struct pl_epoch *epoch = &s->secrets->writer;
    lock(s);
    if (e == PL_OK) {
        s->end = (struct pl_log_end){epoch->number, epoch->sequence - 1, epoch->index, {0}};
        memcpy(s->end.tag, epoch->tag, sizeof(s->end.tag));
        s->frames_done++;
        settle_mark(s);
        atomic_store(&s->durable, s->end.index);
    } else {
        s->error = e;
        s->place = *place;
        atomic_store(&s->state, PL_STORE_LOCKED);
    }
    PL_ASSERT(pthread_cond_broadcast(&s->done) == 0);
    unlock(s);
    if (s->wake)
        s->wake(s->ctx);
}

bool pl_store_turn(struct pl_store *s)
{
    struct pl_frame f;
    struct pl_store_place place = {.offset = 0};
    swap(s, &f);
    if (f.count == 0)
        return false;
    pl_err e = write_frame(s, &f, &place);
    if (e != PL_OK)
        pl_wipe(f.p, f.n);
    publish(s, e, &place);
    return true;
}

/* Locked, entries that raced with the lock stay where they are. Under the mutex. */
static bool has_work(const struct pl_store *s)
{
    return s->open.count > 0 && pl_store_state(s) == PL_STORE_RUNNING;
}

/* Waits for entries to write; false at the end. */
static bool wait_for_work(struct pl_store *s)
{
    lock(s);
    for (bool preparing = true; !s->stopping && !has_work(s);) {
        if (preparing) { /* the next segment, a step at a time, while nobody waits */
            unlock(s);
            preparing = pl_segments_prepare(&s->segments);
            lock(s);
        } else {
            PL_ASSERT(pthread_cond_wait(&s->work, &s->mutex) == 0);
        }
    }
    bool more = has_work(s);
    unlock(s);
    return more;
}

static void *log_thread(void *arg)
{
    struct pl_store *s = arg;
    while (wait_for_work(s))
        pl_store_turn(s);
    return NULL;
}

pl_err pl_store_start(struct pl_store *s)
{
    PL_ASSERT(!s->running);
    s->running = true;
    s->running = pthread_create(&s->thread, NULL, log_thread, s) == 0;
    PL_REQUIRE(s->running, NO_MEMORY);
    return PL_OK;
}

pl_err pl_store_wait(struct pl_store *s, uint64_t count)
{
    lock(s);
    PL_ASSERT(s->running || pl_store_durable(s) >= count);
    while (pl_store_durable(s) < count && pl_store_state(s) == PL_STORE_RUNNING)
        PL_ASSERT(pthread_cond_wait(&s->done, &s->mutex) == 0);
    unlock(s);
    PL_REQUIRE(pl_store_durable(s) >= count, LOG_LOCKED);
    return PL_OK;
}

/* ---- marks and the end ---------------------------------------------------------------------- */

void pl_store_mark(struct pl_store *s, struct pl_store_mark *out)
{
    lock(s);
    s->marked_frame = s->open.count > 0 ? s->open_frame : s->open_frame - 1;
    s->marked_known = s->marked_frame == s->frames_done;
    s->marked = s->end;
    s->marked.index = s->open.index + s->open.count;
    *out = (struct pl_store_mark){.index = s->marked.index, .frame = s->marked_frame};
    unlock(s);
}

static void stop_thread(struct pl_store *s)
{
    lock(s);
    s->stopping = true;
    PL_ASSERT(pthread_cond_broadcast(&s->work) == 0);
    unlock(s);
    if (s->running)
        PL_ASSERT(pthread_join(s->thread, NULL) == 0);
    s->running = false;
}

void pl_store_close(struct pl_store *s)
{
    if (!s)
        return;
    stop_thread(s);
    pl_segments_free(&s->segments);
    pl_crypto_free(s->crypto);
    if (s->secrets)
        pl_wipe(s->secrets, sizeof(*s->secrets));
    pl_unmap_pages(s->frame_mem[0], s->frame_bytes, s->frame_bytes);
    pl_unmap_pages(s->frame_mem[1], s->frame_bytes, s->frame_bytes);
    pthread_cond_destroy(&s->done);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}
