"""What stays in memory and files. A vault takes, keeps and releases shares whose bytes the test knows, and
tells the test its keys (telling.c). Then every mapping of the living process, and every file that it wrote,
is searched for them: raw, hex, base64 and base64url, any 16 bytes in a row. What the test planted in the
vault's heap must be found. Keys may stand in memory that no core dump holds; shares nowhere.

    memory.py [SHARES]      1,000 unless said otherwise"""
import base64
import glob
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "client"))
import world as client
from siege import (DATA, END_HEADERS, END_STREAM, HEADERS, RESET, Gone, Link, Tap, World, frame, head, share, statement,
                   unb64)

PIECE = 16


def pieces(name, raw):
    """Every way in which these bytes may be written down, in pieces of 16 bytes."""
    b = base64.b64encode(raw)
    for form, text in (("raw", raw), ("hex", raw.hex().encode()), ("HEX", raw.hex().upper().encode()), ("base64", b),
                       ("base64url", b.replace(b"+", b"-").replace(b"/", b"_"))):
        for i in range(0, len(text) - PIECE + 1, PIECE):
            if 256 <= i < len(text) - 256 and i % 2048:
                continue  # a part of what is long
            yield f"{name}:{form}:{i} {text[i:i + PIECE].hex()}\n"


class Search:
    def __init__(self, path):
        self.path, self.file = path, open(path, "w")

    def add(self, name, raw):
        self.file.writelines(dict.fromkeys(pieces(name, raw)))

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


def telling(world, search, *more):
    """A vault that tells, and keeps what it is given."""
    ours, its = socket.socketpair()
    canary = os.urandom(32)
    ours.sendall(canary)
    vault = world.vault("vault", *more, pass_fds=[its.fileno()], PL_TELL=str(its.fileno()))
    its.close()
    for name in "seal", "root", "identity", "attestation", "record":
        search.add_key("key-" + name, told(ours))
    search.add("canary", canary)
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


def judge(tap, what, hits, size):
    """No share anywhere, no key where a core dump would take it, the canary four times."""
    forms = {name.split(":")[1] for name, _ in hits if name.startswith("canary")}
    tap.ok(forms == {"raw", "hex", "base64", "base64url"}, f"{what}: what was planted is found", forms)
    bad = [(n, w) for n, w in hits if not n.startswith(("canary", "key"))]
    tap.ok(not bad, f"{what}: no share", len(bad), *bad[:12])
    bad = [(n, w) for n, w in hits if n.startswith("key") and (w.startswith("dump") or n.startswith("key-seal"))]
    tap.ok(not bad, f"{what}: no key where a core dump would hold it", len(bad), *bad[:12])
    tap.ok([w for n, w in hits if n.startswith("key-root") and w.startswith("kept")],
           f"{what}: the root stands in locked memory, and is found there")
    tap.note(f"{what}: {size >> 20} MiB searched")


def of_process(search, vault):
    vault.p.send_signal(signal.SIGSTOP)
    try:
        return search.run("pid", str(vault.p.pid))
    finally:
        vault.p.send_signal(signal.SIGCONT)


def of_app(tap, n):
    """libpleiad's process, after it recovered n times and closed: no share, no secret."""
    os.environ["PROBE"] = os.environ["TELLING_APP"]
    world = client.World(3)
    try:
        search, secret = Search(world.path("patterns")), os.urandom(200)
        done = world.app("split", N="3", MIN="3", K="2", SECRET=secret.hex())
        ours, its = socket.socketpair()
        canary = os.urandom(32)
        ours.sendall(canary)
        env = dict(os.environ, PLACES=world.places(), ANCHOR=world.path("anchor.json"), TIMES=str(n), PL_TELL=str(its.fileno()),
                   DESCRIPTOR=world.path("disk.pleiad"), ROOT=world.path("A", "root.pem"),
                   COLLATERAL=world.path("A", "collateral"))
        args = [world.pleiad, "sim", "run", "--as", "billing", "--socket", world.app_socket, "--", world.probe, "forget"]
        p = world.spawn(args, env=env, pass_fds=[its.fileno()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        its.close()
        told_shares = 0
        while True:
            head = ours.recv(2, socket.MSG_WAITALL)
            if len(head) < 2:
                break
            search.add(f"share-{told_shares}", ours.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
            told_shares += 1
            if told_shares == 2 * n:
                break
        said = json.loads(p.stdout.readline())
        search.add("canary", canary)
        search.add("secret", secret)
        tap.ok(done["exit"] == 0 and said["error"] == "" and told_shares == 2 * n, f"{n} recoveries", done, said, told_shares)
        hits, size = search.run("pid", str(p.pid))
        judge_app(tap, hits, size)
        p.stdin.close()
        ours.close()
    finally:
        world.stop()


def judge_app(tap, hits, size):
    forms = {name.split(":")[1] for name, _ in hits if name.startswith("canary")}
    tap.ok(forms == {"raw", "hex", "base64", "base64url"}, "an app: what was planted is found", forms)
    bad = [(n, w) for n, w in hits if not n.startswith("canary")]
    tap.ok(not bad, f"an app that closed: no share and no secret in {size >> 20} MiB", len(bad), *bad[:12])


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
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
        judge(tap, f"after {n} shares", *of_process(search, vault))
        misuse(vault.port, who, search)
        unread(vault.port, who, handles)
        link.close()
        Link(vault.port, None).call("GET", "/v1/status")
        judge(tap, "after broken requests", *of_process(search, vault))
        tap.ok(vault.end() == 0, "it ends cleanly", vault.text())
        files = [f for f in glob.glob(vault.folder + "/*") + [vault.log_path]]
        hits, size = search.run("files", *files)
        tap.ok(not hits and size > 1000 * n, f"{len(files)} files, {size >> 20} MiB: no share, no key", *hits[:8])
    of_app(tap, max(3, n // 100))
    return tap.end()


sys.exit(main())
