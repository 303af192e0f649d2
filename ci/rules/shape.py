#!/usr/bin/python3
"""Shape: sizes of functions and files, complexity, parameters, #if, and the size of the vault.

ctags finds functions with their ends and parameters, pmccabe their complexity (each case counts).
"""
import collections
import json
import re
import statistics
import subprocess
from rule import Exceptions, Tap, code, files

LINES, MEDIAN, P95, COMPLEXITY, FILE, PARAMETERS = 100, 20, 60, 15, 800, 6
# What pleiad-vaultd is made of; the goal is 12,000 lines. The ceiling is where it stands: it only
# goes down.
VAULT_LINES, VAULT_GOAL = 25400, 12000
VAULT = ('core/', 'platform/', 'daemons/vaultd/', 'daemons/common/')
NOT_VAULT = ('core/shamir/', 'platform/sim/', 'platform/net/client.c')


def functions(names):
    """(file, name, first line, lines, parameters) of each function; of a TEST, the test's name."""
    out = subprocess.run(['ctags', '--output-format=json', '--languages=C', '--langmap=C:.c.h', '--kinds-C=f',
                          '--fields=+neS', '-L', '-', '-f', '-'], input='\n'.join(names), check=True,
                         capture_output=True, text=True).stdout
    for tag in map(json.loads, out.splitlines()):
        if 'end' in tag:
            signature = tag.get('signature', '()')
            name = signature[1:-1] if tag['name'] == 'TEST' else tag['name']
            yield tag['path'], name, tag['line'], tag['end'] - tag['line'] + 1, parameters(signature)


def parameters(signature):
    inner = signature.strip()[1:-1]
    if inner.strip() in ('', 'void'):
        return 0
    while re.search(r'\([^()]*\)', inner):  # parameters that are functions
        inner = re.sub(r'\([^()]*\)', '', inner)
    return inner.count(',') + 1


def complexities(names):
    out = subprocess.run(['pmccabe'] + names, capture_output=True, text=True).stdout
    for line in out.splitlines():
        modified, traditional, statements, first, length, where = line.split('\t', 5)
        if m := re.match(r'(.*)\((\d+)\): (\S+)', where):
            yield m[1], m[3], int(m[2]), int(traditional)


def conditionals(name):
    """Lines with #if and its kin that are no header guard."""
    source = code(name)
    guard = re.match(r'\s*#ifndef (\w+)\n#define \1\n', source)
    for m in re.finditer(r'^[ \t]*#[ \t]*(if|ifdef|ifndef|elif)\b', source, re.M):
        if not (guard and m.start() <= guard.end()):
            yield source.count('\n', 0, m.start()) + 1


def limit(rows, value, most, what, exceptions):
    return [f'{r[0]}:{r[2]}: {r[1]} has {r[value]} {what}, more than {most}' for r in rows
            if r[value] > most and not exceptions.allow(r[0], r[1])]


def main():
    tap, names = Tap(), files('.c', '.h')
    every = list(functions(names))
    own = [n for n in names if not n.startswith(('tests/', 'bench/'))]
    lengths = sorted(f[3] for f in every if f[0] in set(own))

    allowed = Exceptions('shape-lines')
    tap.check('functions have at most 100 lines',
              limit(every, 3, LINES, 'lines', allowed) + allowed.errors())
    median, p95 = statistics.median(lengths), lengths[len(lengths) * 95 // 100]
    print(f'# {len(lengths)} functions: median {median:.0f} lines, p95 {p95}, longest {lengths[-1]}')
    tap.check('function lengths are small overall',
              [f'median {median} lines, more than {MEDIAN}'] * (median > MEDIAN) +
              [f'95th percentile {p95} lines, not under {P95}'] * (p95 >= P95))
    allowed = Exceptions('shape-complexity')
    tap.check('functions have a complexity of at most 15',
              limit(list(complexities([n for n in own if n.endswith('.c')])), 3, COMPLEXITY,
                    'paths', allowed) + allowed.errors())
    allowed = Exceptions('shape-parameters')
    tap.check('functions have at most six parameters',
              limit(every, 4, PARAMETERS, 'parameters', allowed) + allowed.errors())
    sizes = [(n, 'the file', 1, code(n).count('\n')) for n in names]
    tap.check('files have at most 800 lines', limit(sizes, 3, FILE, 'lines', Exceptions('shape-file')))
    allowed = Exceptions('shape-if')
    tap.check('#if only where machines differ',
              [f'{n}:{line}: #if outside platform/' for n in names if not n.startswith(('platform/', 'bench/'))
               for line in conditionals(n) if not allowed.allow(n, '#if')] + allowed.errors())

    count, vault = collections.Counter(), 0
    for n in files('.c', '.h', '.def'):
        if n.startswith(('tests/', 'bench/')):
            continue
        parts = n.split('/')
        folder = '/'.join(parts[:2]) if parts[0] in ('core', 'daemons', 'platform') else parts[0]
        lines = sum(1 for line in code(n).splitlines() if line.strip())
        count[folder] += lines
        vault += lines * (n.startswith(VAULT) and not n.startswith(NOT_VAULT))
    for folder, lines in sorted(count.items()):
        print(f'# {lines:6} lines of code in {folder}')
    print(f'# {vault:6} lines of code in the vault; the goal is {VAULT_GOAL}')
    tap.check('the vault has no more code than its ceiling',
              [f'the vault has {vault} lines of code, more than {VAULT_LINES}'] * (vault > VAULT_LINES))
    tap.end()


main()
