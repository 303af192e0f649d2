#!/usr/bin/python3
"""Words: the tree speaks of the product, not of who makes it and how. Patterns in words.txt."""
import re
from rule import Tap, files, text

SKIP = re.compile(r'^ci/rules/words\.txt$|^LICENSE$|^tests/.*/(corpus|vectors|fixtures)/')


def main():
    patterns = [line.split('\t') for line in text('ci/rules/words.txt').splitlines()
                if line and not line.startswith('#')]
    bad = []
    for f in files():
        if SKIP.match(f):
            continue
        for i, line in enumerate(text(f).splitlines(), 1):
            bad += [f'{f}:{i}: {m[0]}: {why}' for p, why in patterns if (m := re.search(p, line))]
    tap = Tap()
    tap.check('the tree speaks of the product', bad)
    tap.end()


main()
