"""A machine of its own, emulated, under Debian's kernel: /dev/mapper/NAME by a key that four vaults hold. TAP.

The guest is what init.sh does, on an initramfs of this machine's own files and two disks that outlive a boot. Nothing
is downloaded but Debian's kernel package, by apt, into build/guest. With 1 as argument the machine boots once."""
import glob
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "client"))
from world import Tap  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ['BUILD']
CACHE = os.path.join(ROOT, 'build', 'guest')
PROGRAMS = ['tools/pleiad', 'daemons/vaultd/pleiad-vaultd-sim', 'daemons/simd/pleiad-simd',
            'daemons/registryd/pleiad-registryd']
MODULES = ['dm-mod', 'dm-crypt', 'ecb', 'xts']  # in this order
BOOT_S = float(os.environ.get('GUEST_BOOT_S', '900'))
MARKER = b'what nobody reads on the disk: ' + os.urandom(16).hex().encode()
STATE_MIB, DISK_MIB, MEMORY_MIB = 256, 64, 1024
tap = Tap()
ok = tap.ok


def out(*args, **more):
    return subprocess.run(args, check=True, capture_output=True, text=True, **more).stdout


# ---- Debian's kernel ----

def package():
    """The newest kernel's name, from the package that only points to it."""
    return re.search(r'Depends: (linux-image-\S+)', out('apt-cache', 'depends', 'linux-image-cloud-amd64'))[1]


def fetch():
    name = package()
    found = glob.glob(os.path.join(CACHE, name + '_*.deb'))
    if not found:
        print(f'# apt-get download {name}', flush=True)
        subprocess.run(['apt-get', '-q', 'download', name], cwd=CACHE, check=True, stdout=subprocess.DEVNULL)
        found = glob.glob(os.path.join(CACHE, name + '_*.deb'))
    return found[0]


def deb():
    os.makedirs(CACHE, exist_ok=True)
    try:
        return fetch()
    except (subprocess.CalledProcessError, TypeError):  # no list of packages, or an old one
        subprocess.run(['apt-get', '-q', 'update'], check=True, stdout=subprocess.DEVNULL)
        return fetch()


def kernel(path):
    """The kernel's image, and the modules by their names."""
    found = {}
    unpack = subprocess.Popen(['dpkg-deb', '--fsys-tarfile', path], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=unpack.stdout, mode='r|') as tar:
        for member in tar:
            name = os.path.basename(member.name)
            if name.startswith('vmlinuz-') or name in [m + '.ko' for m in MODULES]:
                found[name.split('-')[0] if name.startswith('vmlinuz') else name[:-3]] = tar.extractfile(member).read()
    if unpack.wait():
        raise RuntimeError(f'{path} does not open')
    return found['vmlinuz'], [found[m] for m in MODULES]


# ---- the initramfs ----

class Cpio:
    """The format `newc`; every file is root's."""

    def __init__(self, path):
        self.f, self.n, self.folders = open(path, 'wb'), 0, set()

    def entry(self, name, mode, data=b''):
        self.n += 1
        numbers = [self.n, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        head = b'070701' + b''.join(b'%08X' % x for x in numbers) + name.encode() + b'\0'
        for part in head, data:
            self.f.write(part + bytes(-len(part) % 4))

    def put(self, name, data, mode=0o755):
        name = name.lstrip('/')
        parts = name.split('/')[:-1]
        for i in range(1, len(parts) + 1):
            folder = '/'.join(parts[:i])
            if folder not in self.folders:
                self.folders.add(folder)
                self.entry(folder, 0o40755)
        self.entry(name, 0o100000 | mode, data)

    def close(self):
        self.entry('TRAILER!!!', 0)
        self.f.close()


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def libraries(programs):
    found = set()
    for program in programs:
        found |= set(re.findall(r'(/\S+) \(0x', out('ldd', program)))
    return sorted(found)


def initramfs(path, modules):
    programs = [os.path.join(BUILD, p) for p in PROGRAMS] + ['/sbin/mkfs.ext4']
    c = Cpio(path)
    c.put('init', read(os.path.join(HERE, 'init.sh')))
    c.put('bin/busybox', read('/bin/busybox'))
    for program in programs:
        c.put('bin/' + os.path.basename(program), read(program))
    for library in libraries(programs):
        c.put(library, read(library))
    for i, module in enumerate(modules):
        c.put(f'modules/{i}.ko', module, 0o644)
    c.put('disk.json', read(os.path.join(ROOT, 'examples', 'disk.json')), 0o644)
    c.put('marker', MARKER + b'\n', 0o644)
    c.close()


# ---- the machine ----

def disk(name, mib):
    with open(name, 'wb') as f:
        f.truncate(mib << 20)
    return name


def machine(boot, disks):
    drives = []
    for i, name in enumerate(disks):
        drives += ['-drive', f'file={name},if=none,format=raw,id=d{i}', '-device', f'nvme,drive=d{i},serial={i}']
    return ['qemu-system-x86_64', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', str(MEMORY_MIB), '-nodefaults',
            '-display', 'none', '-no-reboot', '-nic', 'none', '-kernel', 'vmlinuz', '-initrd', 'initramfs',
            '-append', f'console=ttyS0 panic=-1 pl_boot={boot}', '-serial', f'file:console{boot}', '-serial', 'stdio', *drives]


def boot(number, disks):
    """What the guest says on its second serial line is passed on, with numbers of its own."""
    begin, ended = time.monotonic(), False
    print(f'# boot {number}', flush=True)
    p = subprocess.Popen(['timeout', '-k', '5', str(BOOT_S), *machine(number, disks)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
    try:
        for line in (raw.decode(errors='replace').strip() for raw in p.stdout):
            if m := re.match(r'(not )?ok - (.*)', line):
                ok(not m[1], f'boot {number}: {m[2]}', 'above')
            elif line:
                print('# ' + line.lstrip('# '), flush=True)
            ended = ended or line == f'end of boot {number}'
    finally:
        p.kill()
        p.wait()
    ok(ended, f'boot {number} came to its end', read(f'console{number}')[-1500:].decode(errors='replace'))
    print(f'# boot {number} took {time.monotonic() - begin:.0f} s', flush=True)


def main():
    image, modules = kernel(deb())
    with open('vmlinuz', 'wb') as f:
        f.write(image)
    initramfs('initramfs', modules)
    print(f'# initramfs of {os.path.getsize("initramfs") >> 20} MiB, {len(image) >> 20} MiB of kernel', flush=True)
    boots = int(sys.argv[1]) if sys.argv[1:] else 2
    state, data = disk('state', STATE_MIB), disk('data', DISK_MIB)
    boot(1, (state, data))
    ok(MARKER in read(state), 'in the clear, the data is found on a disk')
    ok(b'LUKS' == read(data)[:4], 'on the data disk is a container')
    ok(MARKER not in read(data), 'and not what was written to it')
    if boots > 1:
        boot(2, (state, data))
    return tap.end()


if __name__ == '__main__':
    with tempfile.TemporaryDirectory(prefix='pleiad-guest.') as folder:
        os.chdir(folder)
        status = main()
        os.chdir('/')
    sys.exit(status)
