/* PATH.format beside a descriptor: a format of one container is under way, or was when it died.
 * What is in that container then is nobody's data, and the next format may begin anew in it. The
 * file holds which container (its file, or its device) and is locked while the format runs. */
#ifndef PL_LUKS_MARK_H
#define PL_LUKS_MARK_H

#include "base/base.h"

#include <limits.h>

struct pl_mark {
    int fd;
    char path[PATH_MAX];
};

/* Opens or makes it, and locks it. LUKS_BUSY when somebody else holds it. Close it whatever came.
 */
PL_CHECKED pl_err pl_mark_open(struct pl_mark *m, const char *descriptor);
/* Does it name this container? */
bool pl_mark_names(const struct pl_mark *m, const char *container);
/* From now on it does; durable. */
PL_CHECKED pl_err pl_mark_set(struct pl_mark *m, const char *container);
void pl_mark_remove(struct pl_mark *m); /* and close */
void pl_mark_close(struct pl_mark *m);  /* one that names nothing is removed */

#endif
