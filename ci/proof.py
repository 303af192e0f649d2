#!/usr/bin/python3
"""Proofs: Frama-C's Eva on the readers of hostile bytes, for all inputs up to a stated size.

    ci/proof.py [NAME...]    the rows below whose name begins so; all without names

Each row is a driver of tests/proof with the sources it proves, and sizes. Eva follows every path on
unknown bytes, in memory of exactly the length that is claimed; it must raise no alarm at all: no
access outside, no uninitialised or undefined value, no assertion or claim that could be false.
Functions without a body must have a contract that is listed in KNOWN.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, 'ci/rules')
from rule import Tap, text  # noqa: E402

JSON = 'core/base/json_reader.c core/base/utf8.c core/base/enc.c core/base/span.c'
SPAN = 'core/base/span.c core/base/der.c core/base/enc.c core/base/time.c'
ROWS = [  # name, driver, what it is compiled with, sources
    ('span-read', 'proof_span.c', 'OP=READ MAX=16', SPAN),
    ('span-write', 'proof_span.c', 'OP=WRITE MAX=6', SPAN),
    ('der', 'proof_span.c', 'OP=DER MAX=20', SPAN),
    ('json-peek', 'proof_json.c', 'OP=PEEK MAX=8', JSON),
    ('json-object', 'proof_json.c', 'OP=OBJECT MAX=6', JSON),
    ('json-array', 'proof_json.c', 'OP=ARRAY MAX=6', JSON),
    ('json-number', 'proof_json.c', 'OP=NUMBER MAX=6', JSON),
    ('json-word', 'proof_json.c', 'OP=WORD MAX=6', JSON),
    ('json-text', 'proof_json.c', 'OP=TEXT MAX=5', JSON),
    ('json-plain', 'proof_json.c', 'OP=PLAIN MAX=6', JSON),
    ('json-escape', 'proof_json.c', 'OP=ESCAPE MAX=14', JSON),
    ('json-ascii', 'proof_json.c', 'OP=ASCII MAX=36', JSON),
    ('json-key', 'proof_json.c', 'OP=KEY MAX=5', JSON),
    ('json-item', 'proof_json.c', 'OP=ITEM MAX=6', JSON),
    ('json-end', 'proof_json.c', 'OP=END MAX=6', JSON),
    ('quote', 'proof_quote.c', 'EXTRA=2', 'core/attest/quote.c core/base/span.c'),
    ('frame-header', 'proof_frame.c', 'OP=HEADER MAX=0', 'core/ledger/entry.c core/base/span.c'),
    ('frame-tail', 'proof_frame.c', 'OP=TAIL MAX=0', 'core/ledger/entry.c core/base/span.c'),
    ('frame-open', 'proof_frame.c', 'OP=OPEN MAX=0', 'core/ledger/entry.c core/base/span.c'),
    ('frame-entries', 'proof_frame.c', 'OP=ENTRIES MAX=28', 'core/ledger/entry.c core/base/span.c'),
]

# Where one case must become several, so that a length is known while what it bounds is read: an
# annotation before a line, in a copy of the file. It changes no code.
SPLITS = {
    'core/base/span.c': ('    struct pl_span s = pl_span(r->p, n);\n', 'n <= 40'),
    'core/attest/quote.c': ('    struct pl_rd data = pl_rd(pl_rd_bytes(&r, n));\n',
                            '(n >= 128 && n < 144) || n >= 576'),
}

KNOWN = {'proof_memcmp', 'proof_refuted', 'memcpy', 'memmove', 'memset', 'memchr', 'strlen', 'malloc', 'abort'}
OPTIONS = """-c11 -machdep gcc_x86_64 -eva -eva-slevel 100000 -eva-no-alloc-returns-null
    -eva-alloc-builtin fresh -eva-split-return full -eva-interprocedural-splits -eva-split-limit 200
    -eva-msg-key=-final-states""".split()
# Loops whose rounds need not be told apart.
LOOPS = {'proof_json.c': ['-eva-slevel-merge-after-loop=at_end,digits', '-eva-slevel-function=seen:0'],
         'proof_frame.c': ['-eva-slevel-function=has_zero_sector:0,whole_sectors:0,frame_begins:0,pl_sha256_one:0']}
CPP = """-std=gnu17 -Icore -Itests/proof -include tests/proof/model.h -D_GNU_SOURCE
    -D__builtin_memcpy=memcpy -D__builtin_memmove=memmove"""
LIMIT = 600  # seconds of a processor for one row


def annotated(name):
    """The file, or its copy with the cases of SPLITS."""
    if name not in SPLITS:
        return name
    line, when = SPLITS[name]
    source, copy = text(name), 'build/proof/' + name.replace('/', '_')
    if source.count(line) != 1:
        sys.exit(f'{name}: {line.strip()} is there {source.count(line)} times: see SPLITS')
    os.makedirs('build/proof', exist_ok=True)
    with open(copy, 'w', encoding='utf-8') as f:
        f.write(f'#line 1 "{name}"\n' + source.replace(line, f'    if ({when}) {{ /*@ split n; */ ; }}\n#line '
                                                       f'{source[:source.index(line)].count(chr(10)) + 1}\n{line}'))
    return copy


def wrong(output, status):
    """What is wrong in what Eva said."""
    found = re.findall(r'\[eva:alarm\] (\S+?): Warning: *\n?((?: .*\n)+)', output)
    bad = sorted({f'{where}: {" ".join(what.split())}' for where, what in found})
    used = set(re.findall(r'using specification for function (\w+)', output))
    bad += [f'{f} has no body' for f in sorted(used - KNOWN) if not f.startswith('Frama_C_')]
    bad += re.findall(r'.*[Nn]either code nor specification.*', output)
    if not bad and (status or ' 0 alarms generated' not in output or ' 100% of the logical' not in output):
        bad = ['it did not come to an end'] + output.splitlines()[-8:]
    return bad


def prove(driver, defines, sources):
    files = [f'tests/proof/{driver}', *map(annotated, sources.split()), 'tests/proof/stubs.c']
    cpp = ' '.join(CPP.split() + [f'-D{d}' for d in defines.split()])
    with tempfile.TemporaryDirectory() as own:  # what is stopped leaves its files
        done = subprocess.run(['prlimit', f'--cpu={LIMIT}', 'frama-c', *OPTIONS, *LOOPS.get(driver, []), f'-cpp-extra-args={cpp}', *files],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env={**os.environ, 'TMPDIR': own})
    late = [f'no answer after {LIMIT} s of a processor'] if -done.returncode in (signal.SIGXCPU, signal.SIGKILL) else []
    return late or wrong(done.stdout, done.returncode)


def main():
    tap, asked = Tap(), tuple(sys.argv[1:] or [''])
    for name, driver, defines, sources in ROWS:
        if name.startswith(asked):
            begun = time.monotonic()
            tap.check(f'{name} {defines}', prove(driver, defines, sources))
            print(f'# {time.monotonic() - begun:.0f} s', flush=True)
    tap.end()


main()
