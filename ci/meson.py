#!/usr/bin/python3
"""The builds of the tree, one folder each under build/, and their tests as TAP.

    ci/meson.py build CONFIG             configure if need be, build
    ci/meson.py test CONFIG [SUITE...]   build, run these suites (without names all but ct)
"""
import glob
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NO_RECOVER = '-Dc_args=-fno-sanitize-recover=all -fno-omit-frame-pointer'

CONFIGS = {
    'gcc': ('gcc', []),
    'clang': ('clang', []),
    'sanitize': ('clang', ['-Db_sanitize=address,undefined', '-Db_lundef=false', '-Doptimization=1', NO_RECOVER]),
    'threads': ('clang', ['-Db_sanitize=thread', '-Db_lundef=false', '-Doptimization=1']),
    'coverage': ('clang', ['-Db_lundef=false', '-Doptimization=1', '-Dc_args=-fprofile-instr-generate -fcoverage-mapping',
                           '-Dc_link_args=-fprofile-instr-generate']),
    'fuzz': ('clang', ['-Dfuzz=true', '-Db_lundef=false', '-Doptimization=1']),
    **{f'ct-{cc}-O{o}': (cc, ['-Dct_check=true', f'-Doptimization={o}', '-Dc_args=-gdwarf-4'])  # what valgrind reads
       for cc in ('gcc', 'clang') for o in (2, 3)},
}
SANITIZE_ENV = {'ASAN_OPTIONS': 'detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1',
                'UBSAN_OPTIONS': 'print_stacktrace=1', 'PL_ASAN': '1',
                'TSAN_OPTIONS': 'halt_on_error=1',
                'LSAN_OPTIONS': f'suppressions={ROOT}/ci/lsan.txt:print_suppressions=0'}


def folder(config):
    return os.path.join(ROOT, 'build', config)


def quiet(command, **more):
    """Runs a command; shows its output only when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode:
        print(done.stdout)
        print(f'not ok - {" ".join(command)}')
        sys.exit(1)
    return done.stdout


def configure(config, source=ROOT):
    """The build folder of a configuration; configured anew when that would differ."""
    cc, options = CONFIGS[config]
    out = os.path.join(source, 'build', config)
    stamp = os.path.join(out, 'configured-as')
    wanted = ' '.join([cc] + options)
    if not os.path.exists(stamp) or open(stamp).read() != wanted:
        os.makedirs(out, exist_ok=True)
        wipe = ['--wipe'] if os.path.exists(os.path.join(out, 'build.ninja')) else []
        quiet(['meson', 'setup', *wipe, out, source, *options], env={**os.environ, 'CC': cc})
        with open(stamp, 'w') as f:
            f.write(wanted)
    return out


def introspect(config, what):
    """What meson knows of a configuration: its tests, its targets."""
    out = configure(config)
    quiet(['ninja', '-C', out, 'build.ninja'])
    return json.loads(subprocess.run(['meson', 'introspect', out, '--' + what], check=True,
                                     capture_output=True, text=True).stdout)


def link_programs():
    """build/bin: the programs that an installation would have, and the examples, as links into build/gcc."""
    bin = os.path.join(ROOT, 'build', 'bin')
    os.makedirs(bin, exist_ok=True)
    programs = {os.path.basename(t['filename'][0]): t['filename'][0] for t in introspect('gcc', 'targets')
                if t['type'] == 'executable' and (t['installed'] or '/examples/' in t['filename'][0])}
    for name in os.listdir(bin):
        os.unlink(os.path.join(bin, name))
    for name, path in programs.items():
        os.symlink(os.path.relpath(path, bin), os.path.join(bin, name))


def build(config, *targets):
    quiet(['ninja', '-C', configure(config), *targets])
    if config == 'gcc' and not targets:
        link_programs()


def suites(test):
    return {s.split(':')[-1] for s in test['suite']}


def tap(entry):
    """TAP lines of one meson test: its own, or one for the whole program."""
    name, ok = entry['name'].split(' / ')[-1], entry['result'] in ('OK', 'SKIP', 'EXPECTEDFAIL')
    out = entry.get('stdout') or ''
    own = [line for line in out.splitlines() if re.match(r'(not )?ok\b|#', line)]
    lines = [re.sub(r'^((?:not )?ok) *\d* *-? *', rf'\1 - {name}: ', line) for line in own]
    failed = any(line.startswith('not ok') for line in lines)
    if not ok and not failed:
        lines += ['# ' + line for line in (out + (entry.get('stderr') or '')).splitlines()[-40:]]
        lines += [f'not ok - {name}: {entry["result"]}, status {entry["returncode"]}']
    elif not ok:
        lines += ['# ' + line for line in (entry.get('stderr') or '').splitlines()[-40:]]
    elif not any(line.startswith('ok') for line in lines):
        lines += [f'ok - {name}' + (' # SKIP by meson' if entry['result'] == 'SKIP' else '')]
    return lines


def test(config, names, wrapper=''):
    """Builds what the suites need and runs it. Fails when there is nothing to run."""
    out = folder(config)
    wanted = [t for t in introspect(config, 'tests') if suites(t) & set(names or suites(t) - {'ct'})]
    if not wanted:
        print(f'not ok - {config}: no test in {" ".join(names) or "any suite"}')
        return False
    if not names:
        build(config)
    select = [f'--suite={n}' for n in names] or ['--no-suite=ct']
    logs = os.path.join(out, 'meson-logs', 'testlog*.json')  # the name of the wrapper is part of it
    for log in glob.glob(logs):
        os.unlink(log)
    done = subprocess.run(['meson', 'test', '-C', out, '-t', os.environ.get('CHECK_SLOW', '1'), *select, *([f'--wrapper={wrapper}'] if wrapper else [])],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, **(SANITIZE_ENV if config in ('sanitize', 'fuzz', 'threads') else {})})
    if not glob.glob(logs):
        print(done.stdout + f'not ok - {config}: does not build')
        return False
    entries = [json.loads(line) for line in open(glob.glob(logs)[0])]
    for entry in entries:
        print('\n'.join(tap(entry)))
    if len(entries) != len(wanted):
        print(f'not ok - {config}: {len(entries)} of {len(wanted)} tests ran')
        return False
    return done.returncode == 0


def main(args):
    if len(args) >= 2 and args[0] == 'build' and args[1] in CONFIGS:
        build(args[1], *args[2:])
        print(f'ok - {args[1]} builds')
    elif len(args) >= 2 and args[0] == 'test' and args[1] in CONFIGS:
        sys.exit(not test(args[1], args[2:]))
    else:
        sys.exit(__doc__ + '\nCONFIG: ' + ' '.join(CONFIGS))


if __name__ == '__main__':
    main(sys.argv[1:])
