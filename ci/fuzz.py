#!/usr/bin/python3
"""Fuzzing: every target of tests/fuzz under libFuzzer, ASan and UBSan for its part of the time.

    ci/fuzz.py SECONDS [NAME...]     seconds in all, shared by the targets, two at a time
    ci/fuzz.py --due SECONDS [NAME...]  the same, for those that are not done yet, one after another
    ci/fuzz.py --status              what all runs so far came to, as a table
    ci/fuzz.py --coverage [NAME...]  lines of each parser that its committed seeds run
    ci/fuzz.py --minimize [NAME...]  adds to the committed seeds what runs found, where it runs a new line

Seeds are tests/fuzz/corpus/NAME, a dictionary is tests/fuzz/NAME.dict and the words of the parser
(tests/fuzz/parsers.tsv says which files that is). What a run finds stays in
build/fuzz-corpus/NAME and the next run goes on from there; build/fuzz-corpus/state.tsv counts, time
as that of a processor. An input that fails is kept in build/fuzz/failed/. A target is done after ten
minutes, or after ten million executions of which the last third found no edge.
"""
import concurrent.futures
import csv
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from meson import ROOT, SANITIZE_ENV, build, introspect

AT_ONCE, LEAST_SECONDS, INPUT_SECONDS, MEMORY_MB = 2, 2, 10, 1024
DONE_SECONDS, DONE_RUNS, SLICE_SECONDS = 600, 10_000_000, 60
HERE, WORK = os.path.join(ROOT, 'tests', 'fuzz'), os.path.join(ROOT, 'build', 'fuzz-corpus')
STATE, FAILED = os.path.join(WORK, 'state.tsv'), os.path.join(ROOT, 'build', 'fuzz', 'failed')
FIELDS = ['target', 'executions', 'seconds', 'edges', 'inputs', 'last_edge_at', 'last_edge_on']


def targets(config):
    """name -> program of each target that meson builds."""
    return {t['name'].removeprefix('fuzz_'): t['filename'][0] for t in introspect(config, 'targets')
            if t['type'] == 'executable' and t['name'].startswith('fuzz_')}


# ---- what was done so far -----------------------------------------------------------------------

def read_state():
    try:
        with open(STATE, encoding='ascii') as f:
            return {row['target']: row for row in csv.DictReader(f, delimiter='\t')}
    except FileNotFoundError:
        return {}


def note(name, runs, seconds, lines):
    """Adds a run. An edge is new when no input that the run began with has it."""
    state = read_state()
    old = state.get(name, dict.fromkeys(FIELDS, 0))
    at, on, known = int(old['last_edge_at']), old['last_edge_on'] or '-', None
    for line in lines:
        seen = re.match(r'#(\d+)\s+(\w+)\s+cov: (\d+)', line)
        if not seen:
            continue
        if known is not None and int(seen[3]) > known:
            at, on = int(old['executions']) + int(seen[1]), time.strftime('%Y-%m-%d', time.gmtime())
        known = int(seen[3])
    state[name] = {'target': name, 'executions': int(old['executions']) + runs, 'edges': known or 0,
                   'seconds': int(old['seconds']) + seconds, 'last_edge_at': at, 'last_edge_on': on,
                   'inputs': len(os.listdir(os.path.join(WORK, name)))}
    with open(STATE + '.new', 'w', encoding='ascii') as f:
        table = csv.DictWriter(f, FIELDS, delimiter='\t', lineterminator='\n')
        table.writeheader()
        table.writerows(row for _, row in sorted(state.items()))
    os.replace(STATE + '.new', STATE)


def is_done(row):
    return int(row['seconds']) >= DONE_SECONDS or (
        int(row['executions']) >= DONE_RUNS and int(row['last_edge_at']) * 3 <= int(row['executions']) * 2)


def status():
    print('| target | executions | seconds | edges | inputs | last new edge at | on | done |\n' + '|---' * 8 + '|')
    state = read_state()
    for name in sorted(state.keys() | listed()):
        row = state.get(name, dict.fromkeys(FIELDS, 0) | {'target': name, 'last_edge_on': '-'})
        print('| ' + ' | '.join(f'{int(row[k]):,}' if str(row[k]).isdigit() else row[k] for k in FIELDS),
              '| yes |' if is_done(row) else '| no |')


# ---- running ------------------------------------------------------------------------------------

def listed():
    return {os.path.basename(f)[5:-2] for f in glob.glob(os.path.join(HERE, 'fuzz_*.c'))}


def dictionary(name):
    """Options for tests/fuzz/NAME.dict and each word that stands in a parser of this target."""
    words, known = set(), ''
    if os.path.exists(own := os.path.join(HERE, name + '.dict')):
        with open(own, encoding='utf-8') as f:
            known = f.read()
    for file, row in parsers().items():
        if name in row[0]:
            with open(os.path.join(ROOT, file), encoding='utf-8') as f:
                words |= set(re.findall(r'[(,{] *("[!#-\[\]-~][ !#-\[\]-~]{1,30}")', f.read()))
    out = os.path.join(WORK, name + '.dict')
    with open(out, 'w', encoding='utf-8') as f:
        f.write(known + ''.join(word + '\n' for word in sorted(words)))
    return [f'-dict={out}'] if known or words else []


def built(config):
    """The targets of a configuration, built; nothing else of it is."""
    build(config, *('tests/fuzz/fuzz_' + n for n in sorted(listed())))
    return targets(config)


def fuzz(name, program, seconds):
    """TAP lines of one target."""
    found = os.path.join(WORK, name)
    for folder in (found, FAILED):
        os.makedirs(folder, exist_ok=True)
    command = [program, *dictionary(name), f'-max_total_time={seconds}', f'-timeout={INPUT_SECONDS}', f'-rss_limit_mb={MEMORY_MB}',
               '-print_final_stats=1', f'-artifact_prefix={FAILED}/{name}-', found,
               os.path.join(HERE, 'corpus', name)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **SANITIZE_ENV},
                          encoding='utf-8', errors='replace') as process:
        lines = process.stdout.read().splitlines()
        _, code, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(code)
    runs = next((int(line.split()[-1]) for line in lines if 'number_of_executed_units' in line), 0)
    return name, process.returncode, runs, round(used.ru_utime + used.ru_stime), lines


def report(name, code, runs, seconds, lines):
    if code or not runs:
        print('\n'.join(['# ' + line for line in lines if not line.startswith('#')][-60:]))
        print(f'not ok - fuzz {name}: status {code}, {runs} runs', flush=True)
        return False
    note(name, runs, seconds, lines)
    print(f'ok - fuzz {name}: {runs} runs in {seconds} s of a processor', flush=True)
    return True


def run(names, seconds):
    every = built('fuzz')
    missing = sorted((listed() | set(names)) - set(every))
    chosen = {n: p for n, p in sorted(every.items()) if n in (names or every)}
    each = max(LEAST_SECONDS, seconds * AT_ONCE // max(1, len(chosen)))
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        good = [report(*result) for result in pool.map(lambda t: fuzz(*t, each), chosen.items())]
    for n in missing:
        print(f'not ok - fuzz {n}: not built, or no such target')
    return all(good) and bool(chosen) and not missing


def run_due(names, seconds):
    """Slices for whoever ran least, until the time is over or all are done."""
    with tempfile.TemporaryDirectory() as copies:  # the tree may be built while this runs
        every = {n: shutil.copy(p, copies) for n, p in built('fuzz').items() if n in (names or [n])}
        end, good = time.monotonic() + seconds, True
        while good and time.monotonic() < end:
            state = read_state()
            spent = {n: int(state[n]['seconds']) if n in state else 0 for n in every
                     if n not in state or not is_done(state[n])}
            if not spent:
                break
            name = min(spent, key=spent.get)
            good = report(*fuzz(name, every[name], min(SLICE_SECONDS, int(end - time.monotonic()) + 1)))
    return good


# ---- seeds --------------------------------------------------------------------------------------

def lines_run(program, seed, files, raw):
    """(file, line) of each line of these files that one seed runs."""
    with tempfile.TemporaryDirectory() as alone:
        os.symlink(seed, os.path.join(alone, 'seed'))
        subprocess.run([program, alone, 'seeds'], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env={**os.environ, 'LLVM_PROFILE_FILE': raw})
    subprocess.run(['llvm-profdata-14', 'merge', '-sparse', '-o', raw + '.merged', raw], check=True)
    shown = subprocess.run(['llvm-cov-14', 'export', '-format=lcov', program, f'-instr-profile={raw}.merged',
                            '-path-equivalence=.,' + ROOT, *files], check=True, capture_output=True, text=True).stdout
    file, out = '', set()
    for line in shown.splitlines():
        if line.startswith('SF:'):
            file = line
        elif line.startswith('DA:') and not line.endswith(',0'):
            out.add((file, line.split(',')[0]))
    return out


def worth_keeping(name, program, found):
    """Of the found inputs, those that run a line of a parser that no seed does, few as may be."""
    files = [os.path.join(ROOT, f) for f, row in parsers().items() if name in row[0]]
    seeds = os.path.join(HERE, 'corpus', name)
    with tempfile.TemporaryDirectory() as room:
        def run_by(path):
            return lines_run(program, path, files, os.path.join(room, 'raw'))
        have = set().union(*(run_by(os.path.join(seeds, f)) for f in os.listdir(seeds)))
        new = {f: run_by(f) for f in found}
    while new:
        best = max(new, key=lambda f: (len(new[f] - have), -os.path.getsize(f)))
        if not new[best] - have:
            return
        have |= new.pop(best)
        yield best


def minimize(names):
    counted = built('coverage')
    for name, program in sorted(built('fuzz').items()):
        found, seeds = os.path.join(WORK, name), os.path.join(HERE, 'corpus', name)
        if (names and name not in names) or not os.path.isdir(found):
            continue
        before = len(os.listdir(seeds))
        with tempfile.TemporaryDirectory() as few:
            subprocess.run([program, '-set_cover_merge=1', '-use_counters=0', '-use_cmp=0', few, found], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **SANITIZE_ENV})
            for file in worth_keeping(name, counted[name], [os.path.join(few, f) for f in sorted(os.listdir(few))]):
                shutil.copy(file, os.path.join(seeds, 'found-' + os.path.basename(file)[:10]))
        print(f'{name}: {before} seeds, {len(os.listdir(seeds))} now', flush=True)
    return True


def parsers():
    """file -> (targets that read by it, least per cent, functions), from tests/fuzz/parsers.tsv."""
    with open(os.path.join(HERE, 'parsers.tsv'), encoding='utf-8') as f:
        rows = [line.rstrip('\n').split('\t') for line in f if line.strip() and not line.startswith('#')]
    return {row[0]: (row[1].split(), float(row[2]), row[3:]) for row in rows}


def lines_of(report_text):
    """(covered, uncovered line numbers) of what llvm-cov show prints for one file."""
    counts = [m.groups() for m in re.finditer(r'^ *(\d+)\| *([\d.]+[kMGTE]?)\|', report_text, re.M)]
    return len(counts), [int(n) for n, count in counts if count == '0']


def ranges(numbers):
    out = []
    for n in numbers:
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ' '.join(f'{a}' if a == b else f'{a}-{b}' for a, b in out)


def coverage(names):
    table = {f: row for f, row in parsers().items() if not names or set(row[0]) & set(names)}
    every = {n for row in table.values() for n in row[0]}
    good = True
    with tempfile.TemporaryDirectory() as raw:
        os.environ['LLVM_PROFILE_FILE'] = f'{raw}/others'  # of programs that are run while others are built
        programs = built('coverage')
        for n in every:
            subprocess.run([programs[n], os.path.join(HERE, 'corpus', n), 'seeds'], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, env={**os.environ, 'LLVM_PROFILE_FILE': f'{raw}/{n}.raw'})
        for file, (by, least, functions) in sorted(table.items()):
            merged = f'{raw}/merged'
            subprocess.run(['llvm-profdata-14', 'merge', '-o', merged, *(f'{raw}/{n}.raw' for n in by)], check=True)
            objects = [a for n in by[1:] for a in ('-object', programs[n])]
            shown = subprocess.run(['llvm-cov-14', 'show', programs[by[0]], *objects, f'-instr-profile={merged}',
                                    *(f'-name-regex={f}' for f in functions),
                                    '-path-equivalence=.,' + ROOT, os.path.join(ROOT, file)], check=True, capture_output=True, text=True)
            lines, bare = lines_of(shown.stdout)
            part = 100 * (lines - len(bare)) / lines if lines else 0
            good = good and part >= least
            print(f'{"ok" if part >= least else "not ok"} - {file}: {part:.1f} % of {lines} lines, by {" ".join(by)}'
                  + (f'; not {ranges(bare)}' if bare else ''))
    return good


def main(args):
    if args[:1] == ['--status']:
        status()
    elif args[:1] == ['--coverage']:
        sys.exit(not coverage(args[1:]))
    elif args[:1] == ['--minimize']:
        sys.exit(not minimize(args[1:]))
    elif args[:1] == ['--due'] and args[1:2] and args[1].isdigit():
        sys.exit(not run_due(args[2:], int(args[1])))
    elif args and args[0].isdigit():
        sys.exit(not run(args[1:], int(args[0])))
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
