"""What the rows of the bench need around them: machines, vaults, callers, peers. Whatever is started ends by
its own process id, and everything is in one private folder that goes away."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

WAIT_S = 60
SILENT_BACKLOG = 64


def tell(text):
    print(text, file=sys.stderr, flush=True)


class World:
    def __init__(self, build):
        self.build = build
        self.dir = tempfile.mkdtemp(prefix='pleiad-bench.', dir='/var/tmp')  # a disk, not memory
        self.children = []
        self.env = {k: v for k, v in os.environ.items() if not k.startswith('PLEIAD_')}
        found = [os.path.join(build, 'tools'), os.path.join(build, 'daemons/vaultd'),
                 os.path.join(build, 'daemons/simd'), os.path.join(build, 'bench')]
        self.env['PATH'] = ':'.join(found + [self.env.get('PATH', '')])

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def close(self):
        for p in reversed(self.children):
            self.stop(p, signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, args, cpu=None, **more):
        """A process of this world; `cpu` pins it there."""
        if cpu is not None:
            args = ['taskset', '-c', str(cpu), *args]
        p = subprocess.Popen(args, env=self.env, cwd=self.dir, start_new_session=True, **more)
        self.children.append(p)
        return p

    def stop(self, p, sig=signal.SIGTERM, patience=WAIT_S):
        if p.poll() is None:
            p.send_signal(sig)
        try:
            p.wait(patience)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
        if p in self.children:
            self.children.remove(p)

    def run(self, args, cpu=None, **more):
        """Its standard output. A failure ends the bench with what it said."""
        if cpu is not None:
            args = ['taskset', '-c', str(cpu), *args]
        more.setdefault('timeout', 900)
        r = subprocess.run(args, env=self.env, cwd=self.dir, capture_output=True, text=True,
                           errors='replace', **more)
        if r.returncode:
            raise RuntimeError(f'{" ".join(args)}: status {r.returncode}\n{r.stdout[-1000:]}{r.stderr[-3000:]}')
        return r.stdout

    def timed(self, args):
        """Milliseconds from the start of a process to its end."""
        out, err = self.path('timed.out'), self.path('timed.err')
        how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        files = [(os.POSIX_SPAWN_OPEN, 1, out, how, 0o600), (os.POSIX_SPAWN_OPEN, 2, err, how, 0o600)]
        program = shutil.which(args[0], path=self.env['PATH'])
        begin = time.monotonic()
        pid = os.posix_spawn(program, args, self.env, file_actions=files)
        status = os.waitpid(pid, 0)[1]
        ms = (time.monotonic() - begin) * 1000
        if status or not os.path.getsize(out) and args[0] != 'sh':
            raise RuntimeError(f'{" ".join(args)}: status {status}\n' + open(err, errors='replace').read()[-3000:])
        return ms

    # ---- simulated machines and vaults ----

    def authority(self):
        if not os.path.exists(self.path('authority')):
            self.run(['pleiad-simd', '--new-authority', self.path('authority')])

    def machine(self, name, *options):
        """A machine's process; its socket is NAME/simd.sock."""
        os.makedirs(self.path(name), 0o700, exist_ok=True)
        read, write = os.pipe()
        p = self.start(['pleiad-simd', '--dir', self.path(name), '--authority', self.path('authority'),
                        '--ready-fd', str(write), *options], pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        ready = os.read(read, 1)
        os.close(read)
        if not ready:
            raise RuntimeError('pleiad-simd did not start')
        return p

    def attested(self, machine, name):
        """The beginning of a command line that runs a program as `name` on this machine."""
        return ['pleiad', 'sim', 'run', '--as', name, '--socket', self.path(machine, 'simd.sock'), '--']

    def vault(self, machine, folder, *options, cpu=None, listen='127.0.0.1:0', wait=WAIT_S):
        """(process, port, seconds until it was ready)"""
        log = open(self.path(folder + '.log'), 'w+b')
        begin = time.monotonic()
        p = self.start([*self.attested(machine, 'vault'), 'pleiad-vaultd-sim', '--dir', self.path(folder), '--listen',
                        listen, '--collateral', self.path('authority/collateral'), *options], cpu=cpu, stderr=log)
        while time.monotonic() - begin < wait and p.poll() is None:
            text = open(log.name, 'rb').read()
            for line in text.splitlines() if b'"ready"' in text else []:
                event = json.loads(line)
                if event.get('event') == 'ready':
                    return p, int(event['port']), time.monotonic() - begin
            time.sleep(0.002)
        raise RuntimeError('a vault did not start: ' + open(log.name).read()[-2000:])

    # ---- floor programs ----

    def floor(self, *args, cpu=None, before=()):
        """(process, port): it says its port and ends with its standard input."""
        p = self.start([*before, *args], cpu=cpu, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = p.stdout.readline()
        if not line:
            raise RuntimeError(f'{args[0]} did not start')
        return p, int(line)

    def floor_end(self, p):
        p.stdin.close()
        self.stop(p)


def memory_kib(pid):
    """Resident memory of a process."""
    for line in open(f'/proc/{pid}/status'):
        if line.startswith('VmRSS:'):
            return int(line.split()[1])
    raise RuntimeError('no VmRSS')


class Silent:
    """Takes the place of a vault that accepts connections and says nothing."""

    def __init__(self, port):
        self.s = socket.socket()
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.s.bind(('127.0.0.1', port))
        self.s.listen(SILENT_BACKLOG)

    def close(self):
        self.s.close()
