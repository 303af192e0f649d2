"""docs/LONG.md: the last result of each suite of the long tier. `./check --long` writes it, ci/rules/suites.py checks it."""
import datetime
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATH = os.path.join(ROOT, 'docs', 'LONG.md')
ROW = re.compile(r'\| ([a-z-]+) \| (\d{4}-\d\d-\d\d \| [0-9a-f]{10} \| [\d,]+ \| \d+ passed, \d+ failed, \d+ skipped[^|\n]*) \|')
NEVER = '- | - | - | not run yet'
HEAD = '''# The long tier: its last results

Written by `./check --long`, with or without names of suites, a row when a suite ends; only from a tree without
changes, so that the commit says what was tested. How long a suite took says little: the machine did other work too.

| suite | day | commit | seconds | result |
|---|---|---|--:|---|
'''


def suites():
    with open(os.path.join(ROOT, 'ci', 'suites.tsv')) as f:
        rows = [line.split('\t') for line in f if line.strip() and line[0] != '#']
    return [row[0] for row in rows if row[1] == 'long']


def read():
    if not os.path.exists(PATH):
        return {}
    with open(PATH) as f:
        return dict(m.groups() for m in map(ROW.fullmatch, f.read().splitlines()) if m)


def render(results):
    return HEAD + ''.join(f'| {suite} | {results.get(suite, NEVER)} |\n' for suite in suites())


def record(suite, commit, took, result):
    day = datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d')
    text = render({**read(), suite: f'{day} | {commit[:10]} | {took:,.0f} | {result}'})
    with open(PATH, 'w') as f:
        f.write(text)


def current():
    """What is wrong with the file, as lines."""
    if not os.path.exists(PATH):
        return ['docs/LONG.md is not here']
    with open(PATH) as f:
        got, want = f.read().splitlines(), render(read()).splitlines()
    return [f'docs/LONG.md:{i}: {g!r}, expected {w!r}' for i, (g, w) in
            enumerate(zip(got + [''] * len(want), want + [''] * len(got)), 1) if g != w]
