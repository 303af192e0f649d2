"""What stays in memory and files. A vault takes, keeps and releases shares whose bytes the test knows, and
tells the test its keys (telling.c). Then every mapping of the living process, the file that the kernel writes
of it when it dies (of a twin that lets it: the vault itself leaves none), and every file that it wrote, is
searched for them: raw, hex, base64 and base64url, any 16 bytes in a row. The same for a process of libpleiad
that splits and recovers (telling_app.c), while it lives and after it closed. What the test planted must be
found in each. Keys may stand in memory that no core dump holds; shares and secrets nowhere.

    memory.py [SHARES [SPLITS [RECOVERIES]]]      1,000 shares, 60 splits, 200 recoveries unless said otherwise"""
import base64
import glob
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "client"))
import world as client
from siege import (DATA, END_HEADERS, END_STREAM, HEADERS, RESET, Gone, Link, Tap, World, frame, head, share, statement,
                   unb64)

PIECE = 16


FORMS = {"raw": bytes, "hex": lambda b: b.hex().encode(), "HEX": lambda b: b.hex().upper().encode(),
         "base64": base64.b64encode, "base64url": base64.urlsafe_b64encode}


def pieces(name, raw, forms=tuple(FORMS)):
    """Every way in which these bytes may be written down, in pieces of 16 bytes."""
    for form in forms:
        text = FORMS[form](raw)
        for i in range(0, len(text) - PIECE + 1, PIECE):
            if 256 <= i < len(text) - 256 and i % 2048:
                continue  # a part of what is long
            yield f"{name}:{form}:{i} {text[i:i + PIECE].hex()}\n"


class Search:
    def __init__(self, path):
        self.path, self.file = path, open(path, "w")

    def add(self, name, raw, forms=tuple(FORMS)):
        self.file.writelines(dict.fromkeys(pieces(name, raw, forms)))

    def add_key(self, name, raw):
        """As big numbers stand in memory, too: lowest byte first."""
        self.add(name, raw)
        self.add(name + "-number", raw[::-1])

    def run(self, *where):
        """[(name, place)], bytes searched."""
        self.file.flush()
        out = subprocess.run([os.environ["SEARCH"], self.path, *where], check=True, text=True,
                             stdout=subprocess.PIPE).stdout.splitlines()
        hits = [line.split(" ", 1) for line in out[:-1]]
        return hits, int(out[-1].split()[1])


def told(s, n=32):
    got = b""
    while len(got) < n:
        part = s.recv(n - len(got))
        if not part:
            raise RuntimeError("the vault did not tell its keys")
        got += part
    return got


def telling(world, search, folder="vault", how=None, **env):
    """A vault that tells, and keeps what it is given."""
    ours, its = socket.socketpair()
    canary = os.urandom(32)
    ours.sendall(canary)
    vault = world.vault(folder, pass_fds=[its.fileno()], how=how, PL_TELL=str(its.fileno()), **env)
    its.close()
    for name in "seal", "root", "identity", "attestation", "record":
        search.add_key("key-" + name, told(ours))
    search.add("canary", canary)
    search.canary = canary
    ours.close()
    return vault


SIZES = 40, 40, 40, 100, 2000, 9000, 30000, 67000


def use(link, who, search, n):
    """n shares, of all sizes: created, activated, released; the handles."""
    bodies = [share(who, SIZES[i % len(SIZES)] if i % 5 == 0 else 40) for i in range(n)]
    handles = []
    for i in range(0, n, 8):
        some = bodies[i:i + 8]
        made = [link.answer(s) for s in [link.ask("POST", "/v1/keys", b) for b in some]]
        assert all(status == 201 for status, _ in made), made
        now = [statement(doc)["handle"] for _, doc in made]
        for verb in "activate", "export":
            done = [link.answer(s) for s in [link.ask("POST", f"/v1/keys/{h}/{verb}", {}) for h in now]]
            assert all(status == 200 for status, _ in done), done
        assert all(doc["share"] == b["share"] for (_, doc), b in zip(done, some))
        handles += now
    for i, b in enumerate(bodies):
        search.add(f"share-{i}", unb64(b["share"]))
    return handles


def misuse(port, who, search):
    """Shares in requests that are refused, broken off, reset, or never read."""
    for i, size in enumerate((40, 3000, 20000, 60000)):
        def fresh(what):
            body = share(who, size)
            search.add(f"{what}-{size}", unb64(body["share"]))
            return body
        link = Link(port, who)
        bad = fresh("refused")
        bad["type"] = "no_such_type"
        assert link.call("POST", "/v1/keys", bad)[0] == 400
        torn = str(fresh("torn")).replace("'", '"').encode()[:-1]
        assert link.call("POST", "/v1/keys", torn)[0] == 400
        half = str(fresh("half")).replace("'", '"').encode()[:-20]
        stream = link.next
        link.next += 2
        out = frame(HEADERS, END_HEADERS, stream, head("POST", "/v1/keys", len(half) + 20))
        out += b"".join(frame(DATA, 0, stream, half[j:j + 16384]) for j in range(0, len(half), 16384))
        link.write(out + frame(RESET, 0, stream, struct.pack(">I", 8)))
        assert link.call("GET", "/v1/status")[0] == 200
        cut = str(fresh("cut")).replace("'", '"').encode()[:-20]
        out = frame(HEADERS, END_HEADERS, link.next, head("POST", "/v1/keys", len(cut) + 20))
        link.write(out + b"".join(frame(DATA, 0, link.next, cut[j:j + 16384]) for j in range(0, len(cut), 16384)))
        link.close()


def unread(port, who, handles):
    """An answer with a share that its reader does not take, and goes."""
    for handle in handles[:8]:
        link = Link(port, who)
        link.write(frame(4, 0, 0, struct.pack(">HI", 4, 0)))
        link.ask("POST", f"/v1/keys/{handle}/export", {})
        try:
            link.s.settimeout(0.2)
            while True:
                link.read()
        except (TimeoutError, Gone, OSError):
            pass
        link.close()


CANARY = {"raw", "hex", "base64", "base64url"}


def judge(tap, what, hits, size):
    """What was planted is found, and no share."""
    forms = {name.split(":")[1] for name, _ in hits if name.startswith("canary")} - {"HEX"}
    tap.ok(forms == CANARY, f"{what}: what was planted is found", forms)
    bad = [(n, w) for n, w in hits if not n.startswith(("canary", "key"))]
    tap.ok(not bad, f"{what}: no share and no secret in {size >> 20} MiB", len(bad), *bad[:12])


def judge_keys(tap, what, hits):
    """No key where a core dump would take it; the root where it belongs."""
    bad = [(n, w) for n, w in hits if n.startswith("key") and (not w.startswith("kept") or n.startswith("key-seal"))]
    tap.ok(not bad, f"{what}: no key where a core dump would hold it", len(bad), *bad[:12])
    tap.ok([w for n, w in hits if n.startswith("key-root") and w.startswith("kept")],
           f"{what}: the root stands in locked memory, and is found there")


def of_process(search, p):
    p.send_signal(signal.SIGSTOP)
    try:
        return search.run("pid", str(p.pid))
    finally:
        p.send_signal(signal.SIGCONT)


# ---- a core dump, forced -------------------------------------------------------------------------


def may_dump(folder):
    """For a process that may leave a core there, as far as it is asked."""
    return {"cwd": folder, "preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)}


def killed(vault, folder):
    """SIGABRT: did the kernel dump it, and into which file?"""
    os.kill(vault.p.pid, signal.SIGABRT)
    _, status = os.waitpid(vault.p.pid, 0)
    vault.p.returncode = -os.WTERMSIG(status)
    return os.WCOREDUMP(status), [f for f in glob.glob(folder + "/*") if os.path.getsize(f)]


def core(tap, world, n):
    """The same death: a vault leaves nothing, its twin a file without a share and without a key."""
    if open("/proc/sys/kernel/core_pattern").read()[0] in "|/":
        tap.ok(True, "a core dump # SKIP this kernel hands core dumps to another program")
        return
    folder, search = world.path("core"), Search(world.path("core-patterns"))
    os.mkdir(folder)
    vault = telling(world, search, "hard", may_dump(folder))
    dumped, files = killed(vault, folder)
    tap.ok(vault.port and not dumped and not files, "a vault that dies leaves no core", dumped, files)
    search = Search(world.path("twin-patterns"))
    twin, who = telling(world, search, "twin", may_dump(folder), PL_DUMPABLE="1"), world.caller()
    link = Link(twin.port, who)
    use(link, who, search, n)
    link.call("GET", "/v1/status")
    dumped, files = killed(twin, folder)
    if tap.ok(dumped and len(files) == 1, "its twin, which lets the kernel, leaves one", dumped, files, twin.text()):
        hits, size = search.run("files", *files)
        judge(tap, f"in the core after {n} shares", hits, size)
        keys = [h for h in hits if h[0].startswith("key")]
        tap.ok(not keys, "in the core: no key", *keys[:12])
    for f in files:
        os.unlink(f)


# ---- files ---------------------------------------------------------------------------------------


def of_files(tap, what, search, canary, folders):
    """With one beside them, in which what is looked for is planted."""
    planted = os.path.join(folders[0], "planted")
    with open(planted, "wb") as f:
        f.write(b"-".join([os.urandom(5000), *(FORMS[form](canary) for form in sorted(CANARY)), os.urandom(5000)]))
    files = [os.path.join(d, f) for folder in folders for d, _, names in os.walk(folder) for f in names]
    files = [f for f in files if os.path.isfile(f)]  # no socket
    hits, size = search.run("files", *files)
    judge(tap, f"{what}, {len(files)} of them", [h for h in hits if not h[0].startswith("key")], size)
    bad = [h for h in hits if h[0].startswith("key") or (h[0].startswith("canary") and h[1] != planted)]
    tap.ok(not bad, f"{what}: no key", *bad[:8])
    os.unlink(planted)


# ---- the app -------------------------------------------------------------------------------------


END = b"end"


class Told(threading.Thread):
    """Reads what the app tells, until END, into the patterns."""

    def __init__(self, s, search):
        super().__init__(daemon=True)
        self.s, self.search, self.seen, self.n = s, search, set(), {b"s": 0, b"x": 0}

    def run(self):
        while True:
            head = self.s.recv(3, socket.MSG_WAITALL)
            if len(head) < 3 or head == END:
                return
            kind, raw = head[:1], self.s.recv(int.from_bytes(head[1:], "big"), socket.MSG_WAITALL)
            self.n[kind] += 1
            if raw not in self.seen:
                self.seen.add(raw)
                name, forms = ("secret", tuple(FORMS)) if kind == b"s" else ("share", ("raw", "base64url"))
                self.search.add(f"{name}-{len(self.seen)}", raw, forms)


def of_app(tap, splits, times):
    """libpleiad's process, after it split and recovered so often, and after it closed."""
    os.environ["PROBE"] = os.environ["TELLING_APP"]
    os.environ["COUNT"] = str(splits + 100)
    world = client.World(3)
    try:
        search, secret = Search(world.path("patterns")), os.urandom(200)
        env = dict(N="3", MIN="3", K="2", PLACES=world.places(), ANCHOR=world.path("anchor.json"), GRANT=world.path("grant.json"),
                   DESCRIPTOR=world.path("disk.pleiad"), FRESH=world.path("fresh.pleiad"), SPLITS=str(splits), TIMES=str(times),
                   ROOT=world.path("A", "root.pem"), COLLATERAL=world.path("A", "collateral"))
        done = world.app("split", N="3", MIN="3", K="2", SECRET=secret.hex())
        ours, its = socket.socketpair()
        canary = os.urandom(32)
        ours.sendall(canary)
        search.add("secret", secret)
        search.add("canary", canary)
        args = [world.pleiad, "sim", "run", "--as", "billing", "--socket", world.app_socket, "--", world.probe, "stay"]
        p = world.spawn(args, env=dict(os.environ, PL_TELL=str(its.fileno()), **env), pass_fds=[its.fileno()],
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        told = Told(ours, search)
        told.start()
        said = json.loads(p.stdout.readline())
        its.sendall(END)
        told.join()
        good = told.n[b"s"] == splits and told.n[b"x"] >= 3 * splits + 2 * times
        tap.ok(done["exit"] == 0 and said["error"] == "" and good, f"{splits} splits and {times} recoveries, {3 * splits + 2 * times} exports or more", done, said, told.n)
        judge(tap, f"an app that lives, after {splits} splits and {times} recoveries", *of_process(search, p))
        p.stdin.write("x")
        p.stdin.flush()
        p.stdout.readline()
        judge(tap, "an app that closed", *of_process(search, p))
        p.stdin.close()
        p.wait()
        of_files(tap, "files of app, vaults and machines", search, canary,
                 [world.path(d) for d in os.listdir(world.dir) if os.path.isdir(world.path(d)) and d != "A"])
        loose = [world.path(f) for f in os.listdir(world.dir) if os.path.isfile(world.path(f)) and f != "patterns"]
        hits, _ = search.run("files", *loose)
        tap.ok(not hits and world.path("disk.pleiad") in loose, "nor in descriptors, policies and logs", *hits[:8])
        ours.close()
        its.close()
    finally:
        world.stop()


def main():
    n, splits, times = [int(sys.argv[i]) if len(sys.argv) > i else (1000, 60, 200)[i - 1] for i in (1, 2, 3)]
    tap = Tap()
    if os.geteuid() != 0:
        tap.ok(True, "memory # SKIP only root may look into a hardened process")
        return tap.end()
    with World(vaultd=os.environ["TELLING"]) as world:
        search = Search(world.path("patterns"))
        vault = telling(world, search)
        if not tap.ok(vault.port, "the vault starts", vault.text()):
            return tap.end()
        who = world.caller()
        link = Link(vault.port, who)
        handles = use(link, who, search, n)
        hits, size = of_process(search, vault.p)
        judge(tap, f"after {n} shares", hits, size)
        judge_keys(tap, f"after {n} shares", hits)
        misuse(vault.port, who, search)
        unread(vault.port, who, handles)
        link.close()
        Link(vault.port, None).call("GET", "/v1/status")
        hits, size = of_process(search, vault.p)
        judge(tap, "after broken requests", hits, size)
        judge_keys(tap, "after broken requests", hits)
        tap.ok(vault.end() == 0, "it ends cleanly", vault.text())
        of_files(tap, "its files", search, search.canary, [vault.folder])
        hits, _ = search.run("files", vault.log_path)
        tap.ok(not hits, "nor in what it said", *hits[:8])
        core(tap, world, min(n, 1000))
    of_app(tap, splits, times)
    return tap.end()


sys.exit(main())
