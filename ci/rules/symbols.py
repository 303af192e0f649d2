#!/usr/bin/python3
"""Symbols: what the built objects export, import and keep.

    ci/rules/symbols.py BUILD...

Every exported name begins with pl_. Core imports only what ci/rules/symbols.txt allows (so no
files, sockets, clock, environment, threads or randomness), and has no writable data.
"""
import fnmatch
import glob
import os
import re
import subprocess
import sys
from rule import Tap, text


def nm(*args):
    """(symbol, section) pairs; a symbol that has a version belongs to the C library."""
    out = subprocess.run(['nm', '--no-sort', '--format=sysv', *args], check=True, capture_output=True,
                         text=True).stdout
    for line in out.splitlines():
        if len(columns := [c.strip() for c in line.split('|')]) == 7 and '@' not in columns[0]:
            yield columns[0], columns[6]


def libraries(build):
    """(folder, archive) of each static library of the product."""
    found = glob.glob(f'{build}/core/*/*.a') + glob.glob(f'{build}/platform/**/*.a', recursive=True) + \
        glob.glob(f'{build}/client/**/*.a', recursive=True)
    return [(os.path.relpath(os.path.dirname(a), build), a) for a in sorted(found)]


def programs(build):
    return [p for p in sorted(glob.glob(f'{build}/daemons/*/*') + glob.glob(f'{build}/tools/*') +
                              glob.glob(f'{build}/client/*.so*'))
            if os.path.isfile(p) and open(p, 'rb').read(4) == b'\x7fELF' and not p.endswith(('.o', '.p'))]


def allowed(folder):
    """The regex of what a folder of core may import."""
    rows = [line.split('\t') for line in text('ci/rules/symbols.txt').splitlines()
            if line and not line.startswith('#')]
    return re.compile('|'.join(f'(?:{r[1]})' for r in rows if fnmatch.fnmatch(folder, r[0])))


def main():
    tap = Tap()
    for build in sys.argv[1:]:
        libs = libraries(build)
        core = [(f.split('/')[1], a) for f, a in libs if f.startswith('core/')]
        tap.check(f'{build} has the core', ['no static library under core/'] * (not core))
        tap.check(f'{build}: exported names begin with pl_',
                  [f'{f} exports {s}' for f, a in libs for s, _ in nm('--extern-only', '--defined-only', a)
                   if not s.startswith('pl_')] +
                  [f'{p} exports {s}' for p in programs(build) for s, _ in nm('--dynamic', '--defined-only', p)
                   if not s.startswith('pl_')])
        tap.check(f'{build}: core imports only what is listed',
                  sorted({f'core/{f} imports {s}' for f, a in core for s, _ in nm('--undefined-only', a)
                          if not s.startswith('pl_') and not allowed(f).fullmatch(s)}))
        tap.check(f'{build}: core keeps no state',
                  [f'core/{f} has writable data: {s}' for f, a in core for s, section in nm('--defined-only', a)
                   if re.match(r'\.(data|bss|tdata|tbss)|\*COM\*', section)
                   and not section.startswith('.data.rel.ro')])
    tap.end()


main()
