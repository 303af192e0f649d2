/* Quotas: fixed windows, each begun by its first use. */
#include "policy/internal.h"

size_t pl_policy_quotas(const struct pl_policy *p) { return p->quotas; }

const struct pl_quota *pl_policy_quota(const struct pl_policy *p, size_t i)
{
    PL_ASSERT(i < p->quotas);
    return &p->quota[i];
}

/* Is the window behind us? Unused, there is none. */
static enum pl_tri over(const struct pl_quota *q, const struct pl_quota_use *use,
                        struct pl_interval now)
{
    int64_t end_s;
    if (use->used == 0 || __builtin_add_overflow(use->begin_s, (int64_t)q->per_s, &end_s))
        return use->used == 0 ? PL_TRUE : PL_FALSE;
    return pl_time_reached(now, end_s);
}

static bool known(struct pl_interval now)
{
    return now.earliest_s <= now.latest_s && now.latest_s != INT64_MAX;
}

enum pl_tri pl_quota_room(const struct pl_quota *q, const struct pl_quota_use *use,
                          struct pl_interval now)
{
    if (use->used > 0 && use->used < q->max)
        return PL_TRUE;
    return known(now) ? over(q, use, now) : PL_UNKNOWN; /* a window needs a time to begin at */
}

void pl_quota_charge(const struct pl_quota *q, struct pl_quota_use *use, struct pl_interval now)
{
    if (known(now) && over(q, use, now) == PL_TRUE)
        *use = (struct pl_quota_use){.begin_s = now.latest_s};
    use->used++;
}
