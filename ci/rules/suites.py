#!/usr/bin/python3
"""Suites: every test of meson runs in some suite of ci/suites.tsv, within 1,500 seconds in all; those of the long
tier have their last result in docs/LONG.md."""
import re
import sys
from rule import Tap, text

CHECK_TIER_SECONDS = 1500
sys.path.insert(0, 'ci')
import longtier  # noqa: E402
from meson import introspect, suites  # noqa: E402


def table(name):
    return [line.split('\t') for line in text(name).splitlines() if line and not line.startswith('#')]


def covered(rows):
    """What the commands `ci/meson.py test CONFIG [SUITE...]` and ci/ct.sh run."""
    names = set()
    for command in (r[4] for r in rows):
        if command.startswith('ci/ct.py'):
            names.add('ct')
        elif m := re.match(r'ci/meson\.py test \S+(.*)', command):
            names |= set(m[1].split() or ['*'])
    return names


def main():
    tap, rows = Tap(), table('ci/suites.tsv')
    groups = {g for row in table('ci/packages.txt') for g in row[1].split(',')}
    bad = [f'not five columns: {row}' for row in rows if len(row) != 5]
    bad += [f'{row[0]}: tier {row[1]}' for row in rows if row[1] not in ('check', 'long')]
    bad += [f'{row[0]}: no package group {g}' for row in rows for g in row[3].split(',') if g not in groups]
    tap.check('suites.tsv is well formed', bad)
    total = sum(int(row[2]) for row in rows if row[1] == 'check')
    tap.check('the check tier fits its time', [f'{total} s, more than {CHECK_TIER_SECONDS}'] * (total > CHECK_TIER_SECONDS))
    names = covered(rows)
    tap.check('every test belongs to a suite that runs', [
        f'meson suite {s} is in no row of suites.tsv' for s in sorted(set().union(*map(suites, introspect('gcc', 'tests'))))
        if s not in names and ('*' not in names or s == 'ct')])
    tap.check('docs/LONG.md has a row for each suite of the long tier', longtier.current())
    tap.end()


main()
