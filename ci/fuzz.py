#!/usr/bin/python3
"""Fuzzing: every target of tests/fuzz under libFuzzer, ASan and UBSan for its part of the time.

    ci/fuzz.py SECONDS [NAME...]    seconds in all, shared by the targets, two at a time

Seeds are tests/fuzz/corpus/NAME, what a run finds stays in build/fuzz/found/NAME, a dictionary is
tests/fuzz/NAME.dict. An input that fails is kept in build/fuzz/failed/.
"""
import concurrent.futures
import glob
import os
import subprocess
import sys
from meson import ROOT, SANITIZE_ENV, build, introspect

AT_ONCE, LEAST_SECONDS, INPUT_SECONDS, MEMORY_MB = 2, 3, 10, 1024


def targets():
    """name -> program of each target that meson builds."""
    return {t['name'].removeprefix('fuzz_'): t['filename'][0] for t in introspect('fuzz', 'targets')
            if t['type'] == 'executable' and t['name'].startswith('fuzz_')}


def fuzz(name, program, seconds):
    """TAP lines of one target."""
    here = os.path.join(ROOT, 'tests', 'fuzz')
    found, failed = (os.path.join(ROOT, 'build', 'fuzz', d) for d in (f'found/{name}', 'failed'))
    for folder in (found, failed):
        os.makedirs(folder, exist_ok=True)
    command = [program, f'-max_total_time={seconds}', f'-timeout={INPUT_SECONDS}', f'-rss_limit_mb={MEMORY_MB}',
               '-print_final_stats=1', f'-artifact_prefix={failed}/{name}-', found,
               os.path.join(here, 'corpus', name)]
    if os.path.exists(dictionary := os.path.join(here, name + '.dict')):
        command.insert(1, f'-dict={dictionary}')
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **SANITIZE_ENV},
                          encoding='utf-8', errors='replace')
    lines = done.stdout.splitlines()
    runs = next((int(line.split()[-1]) for line in lines if 'number_of_executed_units' in line), 0)
    if done.returncode or not runs:
        return ['# ' + line for line in lines if not line.startswith('#')][-60:] + [f'not ok - fuzz {name}: status {done.returncode}, {runs} runs']
    return [f'ok - fuzz {name}: {runs} runs in {seconds} s']


def main(args):
    if not args or not args[0].isdigit():
        sys.exit(__doc__)
    build('fuzz')
    every = targets()
    listed = {os.path.basename(f)[5:-2] for f in glob.glob(os.path.join(ROOT, 'tests', 'fuzz', 'fuzz_*.c'))}
    bad = [f'not ok - fuzz {n}: not built, or no such target' for n in sorted((listed | set(args[1:])) - set(every))]
    chosen = {n: p for n, p in sorted(every.items()) if n in (args[1:] or every)}
    seconds = max(LEAST_SECONDS, int(args[0]) * AT_ONCE // max(1, len(chosen)))
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for lines in pool.map(lambda t: fuzz(*t, seconds), chosen.items()):
            print('\n'.join(lines), flush=True)
            bad += [line for line in lines if line.startswith('not ok')]
    print('\n'.join(line for line in bad if 'no such target' in line))
    sys.exit(bool(bad) or not chosen)


main(sys.argv[1:])
