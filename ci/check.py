#!/usr/bin/python3
"""Runs the suites of ci/suites.tsv one after another and counts their TAP; see ./check."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import longtier

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS, TMP = os.path.join(ROOT, 'build', 'log'), os.path.join(ROOT, 'build', 'tmp')
SLOW = float(os.environ.get('CHECK_SLOW', '1'))
MARK = f'PL_CHECK={os.getpid()}'


def table(name):
    with open(os.path.join(ROOT, 'ci', name)) as f:
        return [line.rstrip('\n').split('\t') for line in f if line.strip() and line[0] != '#']


def environment():
    """The same for everyone: nothing of the caller's settings, no file outside build/."""
    env = {'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8',
           'TZ': 'UTC', 'TMPDIR': TMP, 'HOME': os.path.join(TMP, 'home'), 'PYTHONDONTWRITEBYTECODE': '1',
           'GIT_CONFIG_COUNT': '1', 'GIT_CONFIG_KEY_0': 'safe.directory', 'GIT_CONFIG_VALUE_0': '*'}
    env.update({k: os.environ[k] for k in ('CI', 'PL_SHARED', 'TERM') if k in os.environ})
    env.update([MARK.split('='), ('PL_PLANTED_LIMIT', f'{300 * SLOW:.0f}'), ('CHECK_SLOW', f'{SLOW:g}')])
    return env


def leftovers():
    """Processes that a suite started and did not end, found by a mark in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/environ', 'rb') as f:
                if MARK.encode() in f.read().split(b'\0'):
                    with open(f'/proc/{pid}/comm') as comm:
                        found.append((int(pid), comm.read().strip()))
        except OSError:
            continue
    return found


def kill_leftovers():
    names = []
    for pid, name in leftovers():
        try:
            os.kill(pid, signal.SIGKILL)
            names.append(name)
        except ProcessLookupError:
            pass
    return names


def run(command, budget, log):
    """Status of the command, None when its time is over."""
    with open(log, 'w') as out:
        process = subprocess.Popen(['bash', '-c', command], cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            return process.wait(timeout=budget * SLOW)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def skip_allowed(suite, reason):
    """Is the reason in ci/skips.txt, and does its condition hold (a shell command, suite in $SUITE)?"""
    return any(re.search(pattern, reason) and
               subprocess.run(['bash', '-c', condition], cwd=ROOT, env={**environment(), 'SUITE': suite}).returncode == 0
               for pattern, condition in table('skips.txt'))


class Counts:
    def __init__(self, suite=''):
        self.suite = suite
        self.passed = self.failed = self.skipped = 0
        self.notes = []

    def fail(self, note):
        self.failed += 1
        self.notes.append(note)

    def read(self, lines):
        """Counts TAP; keeps the diagnostics that precede a failure."""
        context = []
        for line in lines:
            m = re.match(r'(not )?ok\b(?:.*?# SKIP\s*(.*))?', line)
            if m and m[1]:
                self.notes += context[-30:]
                self.fail(line)
            elif m and m[2] is not None:
                if skip_allowed(self.suite, m[2]):
                    self.skipped += 1
                else:
                    self.fail(f'{line} (not in ci/skips.txt, or its condition does not hold)')
            elif m:
                self.passed += 1
            context = [] if m else context + [line]

    def __str__(self):
        return f'{self.passed} passed, {self.failed} failed, {self.skipped} skipped'


def run_suite(name, budget, command):
    counts, log = Counts(name), os.path.join(LOGS, name + '.log')
    shutil.rmtree(TMP, ignore_errors=True)
    os.makedirs(os.path.join(TMP, 'home'))
    start = time.monotonic()
    status = run(command, budget, log)
    took = time.monotonic() - start
    with open(log, errors='replace') as f:
        counts.read(f.read().splitlines())
    if status is None:
        counts.fail(f'over its budget of {budget * SLOW:.0f} s')
    elif status != 0 and not counts.failed:
        with open(log, errors='replace') as f:
            counts.notes += f.read().splitlines()[-30:]
        counts.fail(f'status {status}: {command}')
    elif counts.passed + counts.failed + counts.skipped == 0:
        counts.fail('ran no test')
    if names := kill_leftovers():
        counts.fail('left processes behind: ' + ' '.join(names))
    if files := [f for f in os.listdir(TMP) if f != 'home'] + os.listdir(os.path.join(TMP, 'home')):
        counts.fail('left files behind: ' + ' '.join(sorted(files)))
    shutil.rmtree(TMP, ignore_errors=True)
    return counts, took


def git(*args):
    return subprocess.run(['git', *args], cwd=ROOT, env=environment(), capture_output=True, text=True).stdout


def git_status():
    return git('status', '--porcelain', '--', '.', ':!docs/LONG.md')


def choose(args):
    rows = table('suites.tsv')
    names = [a for a in args if not a.startswith('-')]
    unknown = [a for a in args if a not in [r[0] for r in rows] + ['--long', '--list']]
    if unknown:
        sys.exit(f'./check: no such suite or option: {" ".join(unknown)}; see ./check --list')
    if '--list' in args:
        for suite, tier, budget, _, command in rows:
            print(f'{suite:14} {tier:6} {budget:>5} s  {command}')
        sys.exit(0)
    return [r for r in rows if (r[0] in names if names else r[1] == 'check' or '--long' in args)]


def main(args):
    rows, total, before = choose(args), Counts(), git_status()
    os.makedirs(LOGS, exist_ok=True)
    keep = '--long' in args and before == ''
    for i, (name, tier, budget, _, command) in enumerate(rows, 1):
        print(f'[{i}/{len(rows)}] {name:14} ', end='', flush=True)
        counts, took = run_suite(name, float(budget), command)
        print(f'{took:6.1f} s   {counts}')
        for note in counts.notes:
            print('    ' + note)
        if keep and tier == 'long' and git_status() == '':
            longtier.record(name, git('rev-parse', 'HEAD'), took, str(counts))
        total.passed += counts.passed
        total.failed += counts.failed
        total.skipped += counts.skipped
    if before == '' and git_status() != '':
        total.failed += 1
        print('The tree is not as it was:\n' + git_status())
    print(total, flush=True)
    sys.exit(total.failed > 0)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
try:
    main(sys.argv[1:])
except KeyboardInterrupt:
    sys.exit(130)
finally:
    kill_leftovers()
