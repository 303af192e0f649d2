"""The rows: what is run for each target, ours, the floor program and the peer in turn, round after round."""
import json
import os
import random
import statistics
import subprocess
import time

from world import Silent, memory_kib, tell

SERVER_CPU, LOAD_CPU = 0, 1
COLD_RUNS, PEER_RUNS = 15, 3
DEADLINE_MS = 5000
PEER_PATIENCE_S = 20
FULL_S = 300  # for a vault with a million shares to start, or to end
MEASURING = 'in both: a process is started and measured'
OPTIONS_OF_P1 = {'': [], ', a quote takes 10 ms': ['--quote-ms', '10']}


class Row:
    """One table: rows of (workload, contender, unit, median, least, most), and what was run."""

    def __init__(self, key, title, commands, targets):
        self.key, self.title, self.commands, self.targets = key, title, commands, targets
        self.values = []

    def put(self, workload, contender, unit, samples):
        s = sorted(samples)
        self.values.append((workload, contender, unit, statistics.median(s), s[0], s[-1]))

    def put_lines(self, text):
        """What bench_shamir and its like print."""
        for line in text.splitlines():
            _, workload, contender, unit, *numbers = line.split('\t')
            self.values.append((workload, contender, unit, *map(float, numbers)))


class Bench:
    def __init__(self, world, quick):
        self.w, self.quick = world, quick
        self.rounds = 1 if quick else 5
        self.ms = 300 if quick else 1500
        self.keys = 500 if quick else 100000
        self.cores = os.cpu_count()
        self.kept, self.counts = None, {}

    def cpu(self, which):
        return which if self.cores > 1 else None

    def turns(self, row, workload, unit, contenders):
        """Every contender once a round; each gives one number."""
        for name, got in self.samples(f'{row.key} {workload}', contenders).items():
            row.put(workload, name, unit, got)

    def samples(self, what, contenders):
        got = {name: [] for name in contenders}
        for i in range(self.rounds):
            for name, run in contenders.items():
                tell(f'  {what}: {name}, round {i + 1} of {self.rounds}')
                got[name].append(run())
        return got

    # ---- the vault that load goes to ----

    def policy(self, profile):
        owner = self.w.run(['bench_load', 'key', self.w.path('owner.pem')]).strip()
        return {'pleiad_policy': 1, 'salt': 'A' * 22,
                'principals': {'owner': {'me': {'kind': 'key', 'spki_sha256': owner}},
                               'apps': {'load': {'kind': 'tee', 'profiles': ['load-v1']}}},
                'profiles': {'load-v1': profile},
                'operations': [{'id': 'boot', 'allow': ['export'], 'to': ['apps/load', 'owner/me']}]}

    def serving(self):
        """A vault on one worker with some shares, the machines of vault and callers, floor programs."""
        if self.kept:
            return self.kept
        w = self.w
        w.authority()
        w.machine('machine')
        w.machine('callers')
        w.run(['bench_load', 'config', w.path('authority/root.pem'), w.path('owner.pem'),
               w.path('config.json')])
        vault, port, _ = w.vault('machine', 'vault', '--config', w.path('config.json'), '--workers', '1',
                                 cpu=self.cpu(SERVER_CPU))
        profile = json.loads(w.run(['pleiad', 'sim', 'measure', '--as', 'load', '--',
                                    os.path.join(w.build, 'bench/bench_load')]))
        with open(w.path('policy.json'), 'w') as f:
            json.dump(self.policy(profile), f, separators=(',', ':'))
        self.kept = vault, f'127.0.0.1:{port}'
        self.make(self.kept[1], 1000 if not self.quick else 100, 'handles')
        return self.kept

    def make(self, address, n, handles):
        self.w.run(['bench_load', 'make', self.w.path('owner.pem'), address, self.w.path('policy.json'), str(n),
                    self.w.path(handles)], cpu=self.cpu(LOAD_CPU), timeout=900 + n // 100)

    def load(self, who, mode, address, pid, conns, pinned=True, handles='handles'):
        """What bench_load says after a while of this load."""
        args = ['bench_load', mode, who, address, *([self.w.path(handles)] if mode != 'shake' else []), str(conns),
                str(self.ms), str(pid)]
        attested = who == 'new' or who.startswith('known:')
        before = self.w.attested('callers', 'load') if attested else []
        return json.loads(self.w.run(before + args, cpu=self.cpu(LOAD_CPU) if pinned else None))

    @staticmethod
    def per_cpu(got):
        return got['requests'] / got['cpu_seconds']

    # ---- cold start ----

    def timed(self, args, runs=COLD_RUNS):
        """Median milliseconds of a whole process."""
        return statistics.median(self.w.timed(args) for _ in range(1 if self.quick else runs))

    def constellation(self):
        """Three vaults' folders, an owner, a grant and a split key, made by the `pleiad` command; all stopped."""
        w = self.w
        if os.path.exists(w.path('home/split')):
            return
        home = ['--dir', w.path('home')]
        try:
            w.run(['pleiad', 'dev', 'up', '--vaults', '3', *home])
            with open(w.path('anchor.json'), 'w') as f:
                f.write(w.run(['pleiad', 'identity', 'anchor', *home]))
            with open(w.path('cold.profile'), 'w') as f:
                f.write(w.run(['pleiad', 'sim', 'measure', '--as', 'cold', '--measured', 'anchor.json', '--',
                               os.path.join(w.build, 'tools/pleiad')]))
            source = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'examples/disk.json')
            w.run(['pleiad', 'grant', 'issue', '--policy', source, '--set',
                   'profiles.billing-v1=@cold.profile', '--out', 'grant.json', *home])
            w.run([*self.cold_app(), 'pleiad', 'key', 'split', '--name', 'cold', '--generate', '32', '-k', '2', '-n',
                   '3', '--grant', 'grant.json', '--anchor', 'anchor.json', '--descriptor', 'cold.key', *home])
        finally:
            w.run(['pleiad', 'dev', 'down', *home])
        open(w.path('home/split'), 'w').close()

    def cold_app(self):
        return ['pleiad', 'sim', 'run', '--as', 'cold', '--measured', self.w.path('anchor.json'), '--socket',
                self.w.path('home/machine-0/simd.sock'), '--']

    def recover(self):
        return [*self.cold_app(), 'pleiad', 'key', 'recover', '--anchor', self.w.path('anchor.json'), '--descriptor',
                self.w.path('cold.key'),
                '--dir', self.w.path('home')]

    def endpoints(self):
        return [line.split('@')[1].strip() for line in open(self.w.path('home/vaults')) if '@' in line]

    def cold_world(self, options):
        """Machines and vaults of the constellation, and beside each vault a floor server."""
        w, procs, floors = self.w, [], []
        self.constellation()
        link = w.path('authority')
        if not os.path.exists(link):
            os.symlink(w.path('home/authority'), link)
        for i in range(4):
            procs.append(w.machine(f'home/machine-{i}', *options))
        trust = [w.path('home/authority/collateral'), w.path('home/authority/root.pem')]
        for i, endpoint in enumerate(self.endpoints(), 1):
            procs.append(w.vault(f'home/machine-{i}', f'home/vault-{i}', '--workers', '1', listen=endpoint)[0])
            floors.append(w.floor('bench_floor_cold', 'serve', *trust,
                                  before=w.attested(f'home/machine-{i}', 'floor')))
        get = [*w.attested('home/machine-0', 'floor'), 'bench_floor_cold', 'get', *trust]
        return procs, floors, get + [f'127.0.0.1:{port}' for _, port in floors]

    def cold_end(self, procs, floors):
        for p, _ in floors:
            self.w.floor_end(p)
        for p in reversed(procs):
            self.w.stop(p)

    def silence(self, procs, how_many):
        """The last vaults go; who comes to their place accepts and says nothing."""
        silent = []
        for i in range(how_many):
            self.w.stop(procs[-1 - i])
            silent.append(Silent(int(self.endpoints()[-1 - i].split(':')[1])))
        return silent

    # ---- clevis and tang ----

    def tang(self):
        """Three tang servers, and a key of theirs under 2 of 3; None where they are not installed."""
        w, servers, pins = self.w, [], []
        if self.quick or subprocess.run(['which', 'clevis', 'socat'], capture_output=True).returncode:
            return None
        for i in range(3):
            folder, port = w.path(f'tang-{i}'), 18080 + i + 3 * (os.getpid() % 1000)
            if not os.path.exists(folder):
                os.mkdir(folder)
                w.run(['/usr/libexec/tangd-keygen', folder])
            servers.append((w.start(['socat', f'TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=64',
                                     f'EXEC:/usr/libexec/tangd {folder}'], stderr=subprocess.DEVNULL), port))
            pins.append({'url': f'http://127.0.0.1:{port}'})
            wait_port(port)
        text = w.run(['clevis', 'encrypt', 'sss', json.dumps({'t': 2, 'pins': {'tang': pins}}), '-y'], input='k' * 32)
        with open(w.path('tang.jwe'), 'w') as f:
            f.write(text)
        return servers

    def clevis(self):
        return self.timed(['sh', '-c', f'clevis decrypt < {self.w.path("tang.jwe")}'], PEER_RUNS)


def wait_port(port):
    import socket
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            socket.create_connection(('127.0.0.1', port)).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f'nobody listens on port {port}')


# ---- one function a row ----

def p1(b):
    row = Row('P1', 'Cold start: a new process recovers a key from 2 of 3 vaults, attested both ways and bound to the '
              'session, and prints it', [
                  'pleiad sim run --as cold --measured anchor.json -- pleiad key recover --anchor anchor.json '
                  '--descriptor cold.key',
                  'floor: pleiad sim run --as floor -- bench_floor_cold get COLLATERAL ROOT HOST:PORT...',
                  'in both: pleiad sim run --as floor -- bench_floor_cold measured',
                  'peer: clevis decrypt < tang.jwe (sss, 2 of 3 tang servers under socat)'],
              'at most 22 ms without what simulated hardware takes to measure the process, 1.5 times the floor '
              'program, an eighth of clevis')
    tang = b.tang()
    for name, options in OPTIONS_OF_P1.items():
        procs, floors, get = b.cold_world(options)
        measured = [*b.w.attested('home/machine-0', 'floor'), 'bench_floor_cold', 'measured']
        contenders = {'pleiad': lambda: b.timed(b.recover()), 'floor': lambda: b.timed(get),
                      MEASURING: lambda: b.timed(measured)}
        if tang and not options:
            contenders['clevis, 3 tang'] = b.clevis
        got = b.samples(f'P1 recover{name}', contenders)
        for who, ms in got.items():
            row.put('recover' + name, who, 'ms', ms)
        for who in [w for w in got if w != MEASURING]:
            net = [ms - (0 if 'clevis' in who else less) for ms, less in zip(got[who], got[MEASURING])]
            row.put('the same without being started and measured' + name, who, 'ms', net)
        b.cold_end(procs, floors)
    for server, _ in tang or []:
        b.w.stop(server)
    return row


def p2(b):
    row = Row('P2', 'The same while one of the three vaults accepts and stays silent', ['as P1'], 'no added latency')
    procs, floors, _ = b.cold_world([])
    b.turns(row, 'all three answer', 'ms', {'pleiad': lambda: b.timed(b.recover())})
    silent = b.silence(procs, 1)
    b.turns(row, 'one is silent', 'ms', {'pleiad': lambda: b.timed(b.recover())})
    tang = b.tang()
    if tang:
        b.w.stop(tang[2][0])
        silent.append(Silent(tang[2][1]))
        b.turns(row, 'one is silent', 'ms', {'clevis, 3 tang': lambda: patience(b, 'clevis')})
        for server, _ in tang[:2]:
            b.w.stop(server)
    for s in silent:
        s.close()
    b.cold_end(procs, floors)
    return row


def patience(b, what):
    """Milliseconds until it ends, or until nobody waits any longer."""
    args = ['sh', '-c', f'clevis decrypt < {b.w.path("tang.jwe")}'] if what == 'clevis' else b.recover()
    begin = time.monotonic()
    p = b.w.start(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        p.communicate(timeout=PEER_PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, 9)  # a session of its own: the command and what it started
        p.communicate()
    b.w.stop(p)
    return (time.monotonic() - begin) * 1000


def p3(b):
    row = Row('P3', f'The same while two stay silent: a named error at the deadline ({DEADLINE_MS} ms)',
              ['as P1; clevis is given up after 20 s'], 'an error that names both vaults, at the deadline')
    procs, floors, _ = b.cold_world([])
    silent = b.silence(procs, 2)

    def ours():
        begin = time.monotonic()
        r = subprocess.run(b.recover(), env=b.w.env, cwd=b.w.dir, capture_output=True, text=True, timeout=60)
        ms = (time.monotonic() - begin) * 1000
        if r.returncode != 3 or r.stderr.count('NET_DEADLINE') + r.stderr.count('time') < 2:
            raise RuntimeError('no named error: ' + r.stderr)
        return ms
    rounds, b.rounds = b.rounds, 1 if b.quick else 3
    b.turns(row, 'two are silent', 'ms', {'pleiad': ours})
    b.rounds = 1
    tang = b.tang()
    if tang:
        for server, port in tang[1:]:
            b.w.stop(server)
            silent.append(Silent(port))
        b.turns(row, 'two are silent', 'ms', {'clevis, 3 tang': lambda: patience(b, 'clevis')})
        b.w.stop(tang[0][0])
    b.rounds = rounds
    for s in silent:
        s.close()
    b.cold_end(procs, floors)
    return row


def p5(b):
    vault, address = b.serving()
    known = 'known:' + b.w.path('owner.pem')
    row = Row('P5', 'A share released over a new full mutual handshake each time, 4 callers', [
        'bench_load fresh known:owner.pem ADDRESS handles 4 MS PID    (a certificate whose evidence the vault has '
        'judged before; no session)',
        'bench_load fresh new ADDRESS handles 4 MS PID    (a new certificate each time, evidence over the session)',
        'floor: bench_floor shake; bench_load shake owner.pem ADDRESS 4 MS PID    (OpenSSL alone, no request)'],
        'known: 80 % of the bare handshakes; new: 50 %')
    f, port = b.w.floor('bench_floor', 'shake', b.w.dir, '1', cpu=b.cpu(SERVER_CPU))
    got = b.samples('P5', {
        'known': lambda: b.per_cpu(b.load(known, 'fresh', address, vault.pid, 4)),
        'new': lambda: b.per_cpu(b.load('new', 'fresh', address, vault.pid, 4)),
        'bare': lambda: b.per_cpu(b.load(b.w.path('owner.pem'), 'shake', f'127.0.0.1:{port}', f.pid, 4))})
    for kind, workload in (('known', 'known certificate'), ('new', 'new certificate, session, logged')):
        row.put(workload, 'pleiad', '1/cpu-s', got[kind])
        row.put(workload, 'floor: bare handshake', '1/cpu-s', got['bare'])
    b.w.floor_end(f)
    return row


def p6(b):
    vault, address = b.serving()
    row = Row('P6', 'Shares released over 64 connections that stay, one request at a time each, durable', [
        'bench_load keep new ADDRESS handles 64 MS PID',
        'floor: bench_floor h2 (nghttp2, strict decoding, a durable frame); the same load'],
        '40,000 per cpu-second where the floor program reaches 55,700: 0.72 of it')
    f, port = b.w.floor('bench_floor', 'h2', b.w.dir, '1', cpu=b.cpu(SERVER_CPU))
    b.turns(row, 'releases per cpu-second', '1/cpu-s', {
        'pleiad': lambda: b.per_cpu(b.load('new', 'keep', address, vault.pid, 64)),
        'floor': lambda: b.per_cpu(b.load(b.w.path('owner.pem'), 'keep', f'127.0.0.1:{port}', f.pid, 64))})
    b.w.floor_end(f)
    return row


def p10(b):
    vault, address = b.serving()
    row = Row('P10', 'One client, one request at a time, durable. Keys that sign do not exist yet: it is the release '
              'of a share', [
                  'bench_load keep new ADDRESS handles 1 MS PID',
                  'floor: bench_floor h2, the same load; bench_floor echo, bench_floor ping ADDRESS MS (TLS and a '
                  'durable write of 4 KiB, nothing else)'],
              'p50 at most 450 us where the floor program takes 317 us')
    f, port = b.w.floor('bench_floor', 'h2', b.w.dir, '1', cpu=b.cpu(SERVER_CPU))
    e, ping = b.w.floor('bench_floor', 'echo', b.w.dir, '1', cpu=b.cpu(SERVER_CPU))
    b.turns(row, 'p50 of a release', 'us', {
        'pleiad': lambda: b.load('new', 'keep', address, vault.pid, 1)['p50_us'],
        'floor: HTTP/2, durable frame': lambda: b.load(
            b.w.path('owner.pem'), 'keep', f'127.0.0.1:{port}', f.pid, 1)['p50_us'],
        'floor: TLS ping-pong, durable write': lambda: json.loads(b.w.run(
            ['bench_floor', 'ping', f'127.0.0.1:{ping}', str(b.ms)], cpu=b.cpu(LOAD_CPU)))['p50_us']})
    b.w.floor_end(f)
    b.w.floor_end(e)
    return row


def p11(b):
    row = Row('P11', 'Shamir, on one core', [
        'bench_shamir', 'pleiad share split -k 3 -n 5; ssss-split -x -t 3 -n 5 -s 256; gfsplit -n 3 -m 5'],
        '0.4 GB/s, constant time; 32 bytes in at most 3 us')
    if not b.quick:
        tell('  P11 bench_shamir')
        row.put_lines(b.w.run(['bench_shamir'], cpu=b.cpu(SERVER_CPU)))
    with open(b.w.path('secret'), 'wb') as f:
        f.write(bytes(range(32)))
    peers = {} if b.quick else {'ssss': 'printf %064x 1 | ssss-split -Q -x -t 3 -n 5 -s 256',
                                'libgfshare': 'mkdir out && gfsplit -n 3 -m 5 secret out/s'}
    commands = {'pleiad': 'pleiad share split -k 3 -n 5 --out-dir out < secret > /dev/null', **peers}

    def whole(command):
        return b.timed(['sh', '-c', f'cd {b.w.dir}; {command}; s=$?; rm -rf out; exit $s'])
    b.turns(row, 'a process splits 32 bytes, 3 of 5', 'ms', {n: (lambda c=c: whole(c)) for n, c in commands.items()})
    return row


def p12(b):
    row = Row('P12', 'SGX evidence verified', [
        'pleiad sim run --as load -- bench_quote COLLATERAL ROOT'], 'at most 600 us')
    b.w.authority()
    if not os.path.exists(b.w.path('callers')):
        b.w.machine('callers')
    row.put_lines(b.w.run([*b.w.attested('callers', 'quote'), 'bench_quote', b.w.path('authority/collateral'),
                           b.w.path('authority/root.pem')], cpu=b.cpu(SERVER_CPU)))
    return row


def big_vault(b):
    """A vault of its own with many shares, made once; (options to start it again, how long making took)."""
    b.serving()
    options = ['--config', b.w.path('config.json'), '--workers', '1']
    if not os.path.exists(b.w.path('many')):
        fill(b, 'big', b.keys, 'many', *options)
    return options


def fill(b, folder, n, handles, *options):
    """A new vault with so many shares; it is stopped then."""
    vault, port, _ = b.w.vault('machine', folder, *options)
    b.counts['fresh'] = memory_kib(vault.pid)
    begin = time.monotonic()
    b.make(f'127.0.0.1:{port}', n, handles)
    tell(f'  made {n:,} shares in {time.monotonic() - begin:.0f} s')
    b.w.stop(vault, patience=FULL_S)


def folder_mib(path):
    return sum(e.stat().st_blocks * 512 for e in os.scandir(path) if e.is_file()) / (1 << 20)


def shuffled(path):
    """Handles in an order that is not the one in which they were made."""
    with open(path) as f:
        lines = f.readlines()
    random.Random(1).shuffle(lines)
    with open(path, 'w') as f:
        f.writelines(lines)


def scale(b):
    sizes = [b.keys * 10, b.keys]
    row = Row('scale', f'One vault with {sizes[0]:,} shares, beside one with {sizes[1]:,}', [
        'pleiad-vaultd-sim --workers 1, from its start to its first connection; VmRSS after it, and after the load',
        'bench_load keep new ADDRESS handles 16 MS PID: sixteen attested callers, each with one release at a time, '
        'over all shares in no order',
        'bench_load keep new ADDRESS handles 1 MS PID'], '')
    b.serving()
    options = ['--config', b.w.path('config.json'), '--workers', '1']
    for n in sizes:
        fill(b, f'scale-{n}', n, f'handles-{n}', *options)
        shuffled(b.w.path(f'handles-{n}'))

    def all_of(n):
        vault, port, seconds = b.w.vault('machine', f'scale-{n}', *options, cpu=b.cpu(SERVER_CPU), wait=FULL_S)
        at_start = memory_kib(vault.pid)
        got = b.load('new', 'keep', f'127.0.0.1:{port}', vault.pid, 16, handles=f'handles-{n}')
        alone = b.load('new', 'keep', f'127.0.0.1:{port}', vault.pid, 1, handles=f'handles-{n}')
        after = memory_kib(vault.pid)
        b.w.stop(vault, patience=FULL_S)
        return {('start', 'ms'): seconds * 1000, ('resident after the start', 'MiB'): at_start / 1024,
                ('resident after the load', 'MiB'): after / 1024,
                ('log and snapshots on disk', 'MiB'): folder_mib(b.w.path(f'scale-{n}')),
                ('sixteen callers: p50 of a release', 'us'): got['p50_us'],
                ('sixteen callers: p99 of a release', 'us'): got['p99_us'],
                ('sixteen callers: releases', '1/cpu-s'): b.per_cpu(got),
                ('one caller: p50 of a release', 'us'): alone['p50_us'],
                ('one caller: p99 of a release', 'us'): alone['p99_us']}
    got = b.samples('scale', {f'{n:,} shares': lambda n=n: all_of(n) for n in sizes})
    for what in next(iter(got.values()))[0]:
        for name, rounds in got.items():
            row.put(what[0], name, what[1], [r[what] for r in rounds])
    return row


def p15(b):
    row = Row('P15', f'Start with {b.keys:,} shares', [
        'pleiad-vaultd-sim, from its start to its first connection'], 'at most 1 s with 100,000')
    options = big_vault(b)

    def start():
        vault, _, seconds = b.w.vault('machine', 'big', *options)
        b.w.stop(vault)
        return seconds * 1000
    b.turns(row, f'start with {b.keys:,} shares', 'ms', {'pleiad': start})
    files = [b.w.path('big', f) for f in os.listdir(b.w.path('big')) if f.startswith(('log.', 'snapshot.'))]
    newest = max((f for f in files if 'snapshot.' in f), default='')
    files = [f for f in files if 'snapshot.' not in f or f == newest]
    b.turns(row, f'start with {b.keys:,} shares', 'ms', {
        'floor: log and snapshot read and opened by AES-GCM': lambda: float(b.w.run(['bench_floor', 'scan', *files]))})
    return row


def p18(b):
    row = Row('P18', 'Memory that is resident', [
        'VmRSS of pleiad-vaultd-sim after its start; the growth by 1,000 connections that are open and silent, each '
        'one\'s part', 'floor: bench_floor h2'], '12 MiB idle, 200 MiB with 100,000 shares, 64 KiB a connection')
    options = big_vault(b)
    conns = 100 if b.quick else 1000
    vault, _, _ = b.w.vault('machine', 'big', *options)
    row.put('nothing in it', 'pleiad', 'MiB', [b.counts['fresh'] / 1024])
    row.put(f'{b.keys:,} shares', 'pleiad', 'MiB', [memory_kib(vault.pid) / 1024])
    b.w.stop(vault)

    def idle(pid, address):
        before = memory_kib(pid)
        p = b.w.start(['bench_load', 'idle', b.w.path('owner.pem'), address, str(conns)], stdin=subprocess.PIPE,
                      stdout=subprocess.PIPE)
        p.stdout.readline()
        grown = (memory_kib(pid) - before) / conns
        b.w.floor_end(p)
        return grown
    vault, port, _ = b.w.vault('machine', 'idle', *options)
    row.put('an idle connection', 'pleiad', 'KiB', [idle(vault.pid, f'127.0.0.1:{port}')])
    b.w.stop(vault)
    f, port = b.w.floor('bench_floor', 'h2', b.w.dir, '1')
    row.put('an idle connection', 'floor', 'KiB', [idle(f.pid, f'127.0.0.1:{port}')])
    b.w.floor_end(f)
    return row


def p19(b):
    row = Row('P19', 'Two workers against one: the load of P6, nothing pinned', [
        'pleiad-vaultd-sim --workers 1, --workers 2; bench_load keep new ADDRESS handles 64 MS PID',
        'floor: bench_floor h2 FOLDER 1, FOLDER 2'], 'per cpu-second, two workers reach 0.9 of one')
    b.serving()
    contenders, ends = {}, []
    for n in (1, 2):
        vault, port, _ = b.w.vault('machine', f'workers-{n}', '--config', b.w.path('config.json'), '--workers', str(n))
        b.make(f'127.0.0.1:{port}', 100, f'handles-{n}')
        f, fport = b.w.floor('bench_floor', 'h2', b.w.dir, str(n))
        ends += [lambda v=vault: b.w.stop(v), lambda f=f: b.w.floor_end(f)]
        contenders[f'pleiad, {n} worker{"s"[:n - 1]}'] = lambda v=vault, p=port, n=n: b.per_cpu(
            b.load('new', 'keep', f'127.0.0.1:{p}', v.pid, 64, False, f'handles-{n}'))
        contenders[f'floor, {n} worker{"s"[:n - 1]}'] = lambda f=f, p=fport, n=n: b.per_cpu(
            b.load(b.w.path('owner.pem'), 'keep', f'127.0.0.1:{p}', f.pid, 64, False, f'handles-{n}'))
    b.turns(row, 'releases per cpu-second', '1/cpu-s', contenders)
    for end in ends:
        end()
    return row


def log(b):
    row = Row('log', 'Durable writes alone', ['bench_log FOLDER'], '')
    row.put_lines(b.w.run(['bench_log', b.w.dir]))
    return row


ROWS = {f.__name__.upper() if f not in (log, scale) else f.__name__: f for f in
        (p1, p2, p3, p5, p6, p10, p11, p12, p15, p18, p19, scale, log)}
NOT_QUICK = {'P3', 'log'}
