#!/usr/bin/python3
"""Banned: functions and words that the code must not use, each with what to use instead."""
import re
from rule import Exceptions, Tap, code, files, text

EVERYWHERE = {
    'strcpy strcat stpcpy strncpy strncat sprintf vsprintf gets': 'it knows no bound: use pl_wr or snprintf',
    'atoi atol atoll atof sscanf': 'it hides errors: use a strict parser',
    'strtok localtime gmtime ctime asctime strerror': 'it keeps hidden state',
    'alloca': 'the stack has no error path',
    'system popen wordexp': 'no shell: use posix_spawn with an argument vector',
    'mktemp tmpnam tempnam tmpfile': 'races: use mkstemp or mkdtemp',
    'rand srand random srandom drand48 rand_r': 'it is no entropy: take it from the caller',
    'explicit_bzero bzero memset_s OPENSSL_cleanse sodium_memzero': 'only pl_wipe wipes',
    'setjmp longjmp signal': 'use errors, sigaction or signalfd',
    'assert': 'use PL_ASSERT, which no build removes',
}
CORE = {
    'time clock clock_gettime gettimeofday clock_nanosleep nanosleep sleep usleep': 'core has no clock: time is an argument',
    'getenv secure_getenv setenv': 'core has no environment',
    'open openat fopen fdopen read write close stat unlink rename mmap': 'core has no files',
    'socket connect bind listen accept send recv poll select': 'core has no network',
    'printf fprintf vprintf puts putchar fputs fwrite perror syslog': 'core does not print: return an error',
    'getrandom RAND_bytes RAND_priv_bytes randombytes_buf randombytes_random': 'core has no randomness: it is an argument',
    'exit _exit quick_exit atexit': 'core returns errors',
    'fork vfork execve posix_spawn kill raise': 'core has no processes',
}
CORE_WORDS = {'FILE': 'core has no files', 'stderr': 'core does not print', 'stdout': 'core does not print',
              'errno': 'core returns pl_err', '_Thread_local': 'core keeps no state', 'pthread_\\w+': 'core has no threads'}
TESTS_MAY = {'sscanf', 'stpcpy', 'signal', 'memset'}  # input and secrets are their own


def calls(table):
    return [(re.compile(rf'(?<![\w.>])({"|".join(names.split())})\s*\('), why)
            for names, why in table.items()]


RULES = calls(EVERYWHERE) + [(re.compile(r'\b(goto)\b'), 'cleanup is by scope')]
CORE_RULES = calls(CORE) + [(re.compile(rf'\b({word})\b'), why) for word, why in CORE_WORDS.items()]

# A compiler may delete a memset of what is freed or goes out of scope right after it. Not so for
# what the caller sees: `out`, `sizeof(*x)`, an object that is returned, n bytes behind a pointer.
MEMSET = re.compile(r'\bmemset\s*\(\s*([^;]*?),\s*0\s*,([^;]*)\)\s*;\s*(free\s*\(|return\b([^;]*);|(?<=\n)\})')


def memset_wipes(source):
    for m in MEMSET.finditer(source):
        target, size, then, returned = m.groups()
        seen = set(re.findall(r'\w+', target)) & set(re.findall(r'\w+', returned or ''))
        ends = then.startswith('}') and 'sizeof' not in size
        if then.startswith('free') or not (
                seen or ends or re.match(r'out(_|$)', target) or re.search(r'sizeof\s*\(?\*', size)):
            yield m.start()


def violations(file, exceptions):
    source = code(file)
    hits = [(m.start(), m[1], why) for pattern, why in
            RULES + (CORE_RULES if file.startswith('core/') else []) for m in pattern.finditer(source)]
    hits += [(at, 'memset', 'the compiler may delete it: only pl_wipe wipes') for at in memset_wipes(source)]
    for at, word, why in sorted(hits):
        if not (word in TESTS_MAY and file.startswith('tests/')) and not exceptions.allow(file, word):
            yield f'{file}:{source.count(chr(10), 0, at) + 1}: {word}: {why}'


def main():
    exceptions, tap = Exceptions('banned'), Tap()
    bad = [v for f in files('.c', '.h', '.def') for v in violations(f, exceptions)]
    tap.check('no banned function', bad + exceptions.errors())
    tap.check('nothing left for later', [
        f'{f}:{i}: {line.strip()}' for f in files('.c', '.h', '.def', '.sh', '.py', '.build', '.md', '.txt', '.tsv')
        if f != 'ci/rules/banned.py' for i, line in enumerate(text(f).splitlines(), 1)
        if re.search(r'\b(TODO|FIXME|XXX|HACK)\b', line)])
    tap.end()


main()
