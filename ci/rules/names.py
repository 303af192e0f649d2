#!/usr/bin/python3
"""Names: files, functions and sizes that the documents name are there.

In README.md and docs/*.md a `path/with.ext` or `folder/` in backticks must exist; in ARCHITECTURE.md
an `identifier_like_this` must also stand in the code, in the file that follows it in brackets if
there is one, and a row of the table of folders must be within a fifth of what shape.py counts."""
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


def identifiers():
    words = {n: set(re.findall(r'\w+', code(n))) for n in files('.c', '.h', '.def')}
    every = set().union(*words.values())
    for word, line, rest in quoted(ARCHITECTURE):
        if not re.fullmatch(r'[a-z]\w*_\w+|[A-Z]+_[A-Z_]+', word):
            continue
        where = re.match(r'\s+\(`([\w./-]+\.c)`', rest)
        if word.upper() == word:
            found = any('PL_' + word in w or word in w for w in words.values())
        else:
            found = word in (words.get(where[1], ()) if where else every)
        if not found:
            yield f'{ARCHITECTURE}:{line}: there is no {word}' + (f' in {where[1]}' if where else '')


def sizes():
    out = subprocess.run(['ci/rules/shape.py'], capture_output=True, text=True).stdout
    real = {m[2]: int(m[1]) for m in re.finditer(r'#\s+(\d+) lines of code in (\S+)', out)}
    for m in re.finditer(r'^\| `([\w/]+)` \| (\d+) \|', text(ARCHITECTURE), re.M):
        if abs(real.get(m[1], 0) - int(m[2])) > int(m[2]) / 5:
            yield f'{ARCHITECTURE}: {m[1]} has {real.get(m[1], 0)} lines, not {m[2]}'


def main():
    tap = Tap()
    tap.check('files that documents name exist',
              [v for f in files('.md') if f == 'README.md' or f.startswith('docs/') for v in paths(f)])
    tap.check('functions that ARCHITECTURE.md names exist', list(identifiers()))
    tap.check('sizes that ARCHITECTURE.md names are about right', list(sizes()))
    tap.end()


main()
