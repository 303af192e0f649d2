/* Reading a secret from the terminal without showing it. */
#include "tools/tool.h"
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;
static void on_signal(int number) { interrupted = number; }

/* Without SA_RESTART a signal ends the read, so that the echo is put back before the process ends.
 */
static void catch_signals(struct sigaction old[2])
{
    struct sigaction catching = {.sa_handler = on_signal};
    interrupted = 0;
    sigaction(SIGINT, &catching, &old[0]);
    sigaction(SIGTERM, &catching, &old[1]);
}

static void release_signals(const struct sigaction old[2])
{
    sigaction(SIGINT, &old[0], NULL);
    sigaction(SIGTERM, &old[1], NULL);
    if (interrupted)
        raise(interrupted);
}

static pl_err read_line(int fd, uint8_t *out, size_t cap, size_t *out_n)
{
    uint8_t byte = 0;
    *out_n = 0;
    while (!interrupted) {
        ssize_t n = read(fd, &byte, 1);
        if (n < 0 && errno == EINTR)
            continue;
        PL_REQUIRE(n == 1, PROMPT);
        if (byte == '\n')
            break;
        PL_REQUIRE(*out_n < cap, PROMPT);
        out[(*out_n)++] = byte;
        byte = 0;
    }
    PL_REQUIRE(!interrupted && *out_n > 0, PROMPT);
    return PL_OK;
}

static pl_err ask_once(int fd, const char *ask, uint8_t *out, size_t cap, size_t *out_n)
{
    struct termios shown, hidden;
    struct sigaction old[2];
    *out_n = 0;
    PL_REQUIRE(tcgetattr(fd, &shown) == 0, PROMPT);
    hidden = shown;
    hidden.c_lflag &= (tcflag_t) ~(tcflag_t)(ECHO | ECHOE | ECHOK);
    hidden.c_lflag |= ECHONL;
    catch_signals(old);
    pl_err e = PL_FAIL(PROMPT);
    if (tcsetattr(fd, TCSAFLUSH, &hidden) == 0) {
        e = pl_fd_write(fd, pl_span_str(ask));
        e = e == PL_OK ? pl_fd_write(fd, PL_LIT(": ")) : e;
        e = e == PL_OK ? read_line(fd, out, cap, out_n) : e;
        tcsetattr(fd, TCSAFLUSH, &shown);
    }
    release_signals(old);
    return e;
}

static pl_err ask_twice(int fd, const char *ask, uint8_t *out, size_t cap, size_t *out_n)
{
    size_t again_n;
    PL_TRY(ask_once(fd, ask, out, cap, out_n));
    PL_TRY(ask_once(fd, "the same again", out + cap, cap, &again_n));
    bool same = again_n == *out_n && pl_ct_eq(out, out + cap, again_n);
    pl_wipe(out + cap, cap);
    PL_REQUIRE(same, PROMPT_DIFFERS);
    return PL_OK;
}

pl_err tool_prompt(uint8_t *out, size_t cap, size_t *out_n, const char *ask, bool again)
{
    *out_n = 0;
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    PL_REQUIRE(fd >= 0, PROMPT);
    pl_err e = again ? ask_twice(fd, ask, out, cap, out_n) : ask_once(fd, ask, out, cap, out_n);
    close(fd);
    if (e != PL_OK) {
        pl_wipe(out, again ? 2 * cap : cap);
        *out_n = 0;
    }
    return e;
}
