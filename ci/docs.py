#!/usr/bin/python3
"""Docs: the commands that README.md and docs/ show are commands that work.

A fenced block ```sh right after a line <!-- run: NAME --> is executed. Blocks of one name in one
file run in order in one shell (bash -e) in one folder that holds nothing but a link to examples/,
with build/bin on PATH. A block ```console after such a line lists `$ command` lines, and what
follows each must be what the command prints (`...` stands for any lines). A fenced sh or console
block without a run line needs <!-- no run: WHY -->.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'rules'))
from rule import ROOT, files, text  # noqa: E402

BLOCK = re.compile(r'(?:^<!-- (no run|run): (.*?) -->\n+)?^```(sh|console)\n(.*?)^```', re.M | re.S)
SECONDS = 120
# The second and following are those of a plain `meson setup build`.
PROGRAMS = ('bin', 'tools', 'daemons/simd', 'daemons/vaultd', 'daemons/registryd', 'examples')


def script(kind, body, number, out):
    """Shell text of one block; a console block becomes its commands and comparisons of their output."""
    if kind == 'sh':
        return body
    lines = []
    for i, part in enumerate(re.split(r'^\$ ', body, flags=re.M)[1:]):
        command, _, expected = part.partition('\n')
        path = f'{out}/{number}-{i}'
        with open(path + '.want', 'w') as f:
            f.write(expected)
        lines.append(f'{{ {command}\n}} > {path}.got 2>&1')
    return '\n'.join(lines) + '\n'


def matches(want, got):
    parts = [re.escape(p) for p in re.split(r'^\.\.\.\n', want, flags=re.M)]
    return re.fullmatch(r'(?:.*\n)*?'.join(parts), got) is not None


def stories(name):
    """(story name, [(kind, body)]) of a document, and its blocks that nothing accounts for."""
    found, bad = {}, []
    source = text(name)
    for m in BLOCK.finditer(source):
        if m[1] == 'run':
            found.setdefault(m[2], []).append((m[3], m[4]))
        elif not m[1]:
            bad.append(f'{name}:{source.count(chr(10), 0, m.start()) + 1}: shows commands and does not say whether they run')
    return found, bad


def run_story(blocks):
    """What is wrong, as lines; none when every command worked and printed what the text says."""
    out, work = tempfile.mkdtemp(), tempfile.mkdtemp()
    os.symlink(os.path.join(ROOT, 'examples'), os.path.join(work, 'examples'))
    try:
        shell = 'set -eu\n' + '\n'.join(script(kind, body, i, out) for i, (kind, body) in enumerate(blocks))
        env = {**os.environ, 'PATH': ':'.join(os.path.join(ROOT, 'build', d) for d in PROGRAMS) + ':' + os.environ['PATH'], 'HOME': work}
        done = subprocess.run(['bash', '-c', shell], cwd=work, env=env, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
        bad = [f'exit {done.returncode}'] + done.stdout.splitlines()[-20:] if done.returncode else []
        for name in sorted(f for f in os.listdir(out) if f.endswith('.want')):
            want = open(os.path.join(out, name)).read()
            got_file = os.path.join(out, name[:-4] + 'got')
            got = open(got_file).read() if os.path.exists(got_file) else ''
            if not matches(want, got):
                bad += ['the text shows:', *want.splitlines(), 'the command prints:', *got.splitlines()]
        return bad
    except subprocess.TimeoutExpired:
        return [f'no end after {SECONDS} s']
    finally:
        shutil.rmtree(out)
        shutil.rmtree(work)


def main():
    failed = 0
    for name in [f for f in files('.md') if f == 'README.md' or f.startswith('docs/')]:
        found, bad = stories(name)
        results = [(f'{name}: {story}', run_story(blocks)) for story, blocks in found.items()]
        results.append((f'{name}: every shown command is run or says why not', bad))
        for what, lines in results:
            failed += bool(lines)
            print('\n'.join(['# ' + line for line in lines] + [f'{"not ok" if lines else "ok"} - {what}']))
    sys.exit(failed > 0)


main()
