#!/usr/bin/python3
"""Names: files, functions and sizes that the documents name are there.

In README.md and docs/*.md a `path/with.ext` or `folder/` in backticks must exist; in ARCHITECTURE.md
and SOUNDNESS.md an `identifier_like_this` must also stand in the code, in the file that follows it
in brackets if there is one, or be a planted violation, and a row of ARCHITECTURE's table of folders
must be within a third of what shape.py counts."""
import os
import re
import subprocess
from rule import Tap, code, files, text

TOP = ('core/', 'platform/', 'daemons/', 'client/', 'tools/', 'integrations/', 'tests/', 'bench/', 'ci/', 'docs/',
       'include/', 'examples/')
ARCHITECTURE = 'docs/ARCHITECTURE.md'


def quoted(name):
    source = re.sub(r'^```.*?^```', lambda m: '\n' * m[0].count('\n'), text(name), flags=re.M | re.S)
    for m in re.finditer(r'`([^`\n]+)`', source):
        yield m[1], source.count('\n', 0, m.start()) + 1, source[m.end():]


def paths(name):
    for word, line, _ in quoted(name):
        if word.startswith(TOP) and re.fullmatch(r'[\w./-]+', word) and not os.path.exists(word):
            yield f'{name}:{line}: there is no {word}'


def identifiers(name):
    words = {n: set(re.findall(r'\w+', code(n))) for n in files('.c', '.h', '.def')}
    every = set().union(*words.values()) | {f[:-6] for f in os.listdir('ci/planted') if f.endswith('.patch')}
    for word, line, rest in quoted(name):
        if not re.fullmatch(r'[a-z]\w*_[\w*]+|[A-Z]+_[A-Z_]+', word):
            continue
        where = re.match(r'\s+\(`([\w./-]+\.c)`', rest)
        within = words.get(where[1], set()) if where else every
        if word.endswith('*'):
            found = any(w.startswith(word[:-1]) for w in within)
        else:
            found = word in within or (word.isupper() and 'PL_' + word in every)
        if not found:
            yield f'{name}:{line}: there is no {word}' + (f' in {where[1]}' if where else '')


def sizes():
    out = subprocess.run(['ci/rules/shape.py'], capture_output=True, text=True).stdout
    real = {m[2]: int(m[1]) for m in re.finditer(r'#\s+(\d+) lines of code in (\S+)', out)}
    for m in re.finditer(r'^\| `([\w/]+)` \| (\d+) \|', text(ARCHITECTURE), re.M):
        if abs(real.get(m[1], 0) - int(m[2])) > int(m[2]) / 3:
            yield f'{ARCHITECTURE}: {m[1]} has {real.get(m[1], 0)} lines, not {m[2]}'


def main():
    tap = Tap()
    tap.check('files that documents name exist',
              [v for f in files('.md') if f == 'README.md' or f.startswith('docs/') for v in paths(f)])
    tap.check('functions, tests and planted violations that documents name exist',
              [v for f in (ARCHITECTURE, 'docs/SOUNDNESS.md') for v in identifiers(f)])
    tap.check('sizes that ARCHITECTURE.md names are about right', list(sizes()))
    tap.end()


main()
