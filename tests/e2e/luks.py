#!/usr/bin/env python3
"""pleiad luks: containers made and opened, headers that were changed, a format that dies anywhere. TAP.

With "all" as argument the format is killed before every single change that it makes to a file."""
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "client"))
from world import Tap  # noqa: E402

PLEIAD, KILL_AT = os.environ["PLEIAD"], os.environ["KILL_AT_LIB"]
EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples")
CONTAINER, LEAST = "disk.img", "17"
tap = Tap()
ok = tap.ok


def run(*args, env=None):
    return subprocess.run(args, capture_output=True, text=True, timeout=60, env=dict(os.environ, **(env or {})))


def app(*args, name="billing", env=None):
    """The attested app, with the shim in its measurement where there is one."""
    return run(PLEIAD, "sim", "run", "--as", name, "--measured", "anchor.json", "--", PLEIAD, "luks", *args,
               env=dict(env or {}, LD_PRELOAD=KILL_AT))


def fmt(file=CONTAINER, *more, env=None):
    return app("format", "--grant", "grant.json", "--anchor", "anchor.json", "-n", "3", "--size", LEAST, *more, file, env=env)


def opens(file=CONTAINER, *more):
    return app("open", "--anchor", "anchor.json", *more, file)


def said(r, code, exit_=1):
    return r.returncode == exit_ and f"[{code}]" in r.stderr


def digest(path):
    return hashlib.sha256(open(path, "rb").read()).digest()


def beside(file=CONTAINER):
    return sorted(f for f in os.listdir(".") if f.startswith(file) and f != file)


# ---- the header, as bytes: what whoever holds the disk can change ----

class Header:
    """Both copies of a LUKS2 header, written with checksums that hold."""
    SIZE, JSON, UUID, LABEL, CHECKSUM = 8, 4096, (168, 40), (24, 48), (448, 64)

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as f:
            head = f.read(4096)
            self.size = int.from_bytes(head[self.SIZE:self.SIZE + 8], "big")
            f.seek(0)
            self.copies = [bytearray(f.read(self.size)) for _ in range(2)]
        self.json = json.loads(bytes(self.copies[0][self.JSON:]).split(b"\0")[0])

    def put(self, field, text):
        at, n = field
        for c in self.copies:
            c[at:at + n] = text.encode().ljust(n, b"\0")

    def save(self, path):
        shutil.copyfile(self.path, path)
        text = json.dumps(self.json).encode()
        with open(path, "r+b") as f:
            for i, c in enumerate(self.copies):
                c[self.JSON:] = text.ljust(self.size - self.JSON, b"\0")
                at, n = self.CHECKSUM
                c[at:at + n] = bytes(n)
                c[at:at + 32] = hashlib.sha256(c).digest()
                f.seek(i * self.size)
                f.write(c)
        return path


def changed(change, path="changed.img"):
    h = Header(CONTAINER)
    change(h)
    return h.save(path)


# ---- tests ----

def setup():
    r = run(PLEIAD, "dev", "up", "--vaults", "3")
    ok(r.returncode == 0, "a constellation", r.stderr)
    run(PLEIAD, "identity", "anchor", "--out", "anchor.json")
    with open("billing.profile", "w") as f:
        f.write(run(PLEIAD, "sim", "measure", "--as", "billing", "--measured", "anchor.json", "--", PLEIAD,
                    env={"LD_PRELOAD": KILL_AT}).stdout)
    r = run(PLEIAD, "grant", "issue", "--policy", f"{EXAMPLES}/disk.json", "--set", "profiles.billing-v1=@billing.profile",
            "--count", "500", "--out", "grant.json")
    ok(r.returncode == 0, "a grant", r.stderr)


def plain():
    r = opens()
    ok(said(r, "LUKS_HEADER"), "nothing there yet", r)
    r = fmt(CONTAINER, "--json", env={"KILL_TRACE": "trace"})
    ok(r.returncode == 0 and json.loads(r.stdout) == {"container": CONTAINER, "format": "new"}, "format", r)
    ok(os.path.getsize(CONTAINER) == 17 << 20 and os.stat(CONTAINER).st_mode & 0o777 == 0o600, "its size and mode")
    ok(not beside(), "nothing stays beside it", beside())
    r = opens()
    ok(r.returncode == 0 and "opens with the recovered key" in r.stdout, "open", r)
    r = opens(CONTAINER, "--test", "--json", "--report")
    ok(r.returncode == 0 and json.loads(r.stdout) == {"container": CONTAINER, "mapper": None} and r.stderr.count("vault") == 3,
       "open as JSON, with a report", r)
    was = digest(CONTAINER)
    r = fmt()
    ok(said(r, "LUKS_DATA") and digest(CONTAINER) == was, "a container is not formatted again", r)
    ok(not beside(), "and no file is left by the refusal", beside())
    r = opens(CONTAINER, "--name", "x", "--test")
    ok(r.returncode == 2, "--name and --test: usage", r)
    r = opens(CONTAINER, "--name", "a/b")
    ok(r.returncode == 2, "a path is no name: usage", r)
    r = app("format", "--grant", "grant.json", "--anchor", "anchor.json", "-k", "4", "-n", "3", "x.img")
    ok(r.returncode == 2, "-k above -n: usage", r)
    r = app("open", CONTAINER)
    ok(r.returncode == 2, "no anchor: usage", r)


def mapped():
    """Where the kernel maps, /dev/mapper/NAME is there; elsewhere the answer says what is missing."""
    name = f"pleiad-test-{os.getpid()}"
    r = opens(CONTAINER, "--name", name)
    if r.returncode == 0:
        ok(os.path.exists(f"/dev/mapper/{name}"), "open by name", r)
        again = opens(CONTAINER, "--name", name)
        ok(said(again, "LUKS_MAPPER"), "a name that is taken", again)
        run("dmsetup", "remove", name)
        return
    ok(said(r, "LUKS_MAPPER") and "dm-crypt" in r.stderr and "libcryptsetup: " in r.stderr, "no device-mapper: said, with what is missing", r)
    ok("vault" not in r.stderr, "before any vault is asked", r)


def linked():
    """Whoever links the library does not pay for libcryptsetup."""
    needs = run("readelf", "-d", os.environ["LIBPLEIAD"]).stdout
    ok("libcrypto.so" in needs and "libcryptsetup" not in needs, "libpleiad does not need libcryptsetup", needs)


def anchors():
    r = run(PLEIAD, "luks", "open", "--anchor", "anchor.json", CONTAINER)
    ok(said(r, "FILE_MISSING") and "--insecure-anchor" in r.stderr, "an anchor that is not measured is refused", r)
    r = run(PLEIAD, "luks", "open", "--anchor", "anchor.json", "--insecure-anchor", CONTAINER)
    ok(said(r, "RECOVER_FEW", 3) and "trusted as a file" in r.stderr and r.stderr.count("[DENIED]") == 3,
       "taken under its insecure name, with a warning; no vault answers a program without evidence", r)
    r = app("open", "--anchor", "anchor.json", CONTAINER, name="another")
    ok(said(r, "RECOVER_FEW", 3) and r.stderr.count("[DENIED]") == 3, "an app of another name", r)


def tokens():
    def token(**fields):
        def change(h):
            h.json["tokens"] = {"0": dict({"type": "pleiad", "keyslots": ["0"]}, **fields)}
        return change

    def none(h):
        h.json["tokens"] = {}

    mine = Header(CONTAINER).json["tokens"]["0"]
    r = opens(changed(none))
    ok(said(r, "LUKS_TOKEN"), "no token", r)
    r = opens(changed(token(type="systemd-recovery", descriptor=mine["descriptor"])))
    ok(said(r, "LUKS_TOKEN"), "a token of somebody else", r)
    for name, value in ("no descriptor", None), ("a number", 7), ("no base64", "***"), ("empty", ""), \
                       ("no JSON", "AAAA"), ("other JSON", base64.urlsafe_b64encode(b'{"a":1}').decode().rstrip("=")):
        r = opens(changed(token() if value is None else token(descriptor=value)))
        ok(r.returncode == 1 and "[" in r.stderr and "vault " not in r.stderr, f"a token with {name}", r)

    def beside_others(h):
        h.json["tokens"] = {"0": {"type": "systemd-recovery", "keyslots": ["0"]}, "3": mine}
        h.put(Header.LABEL, "another label")
    r = opens(changed(beside_others))
    ok(r.returncode == 0, "other tokens and labels may come and go", r)
    r = fmt("other.img")
    theirs = Header("other.img").json["tokens"]["0"]["descriptor"]
    r2 = opens(changed(token(descriptor=theirs)))
    ok(r.returncode == 0 and said(r2, "ANCHOR_BOUND"), "the descriptor of another container", r2)
    r = fmt("third.img", "--name", "third")
    ok(r.returncode == 0 and opens("third.img", "--key", "third").returncode == 0, "a container by its key's name", r)
    r = opens("third.img", "--key", "disk")
    ok(said(r, "ANCHOR_KEY"), "whole containers of one instance exchanged", r)


def bound():
    def uuid(h):
        h.put(Header.UUID, "11111111-2222-4333-8444-555555555555")

    def cipher(name):
        def change(h):
            h.json["segments"]["0"]["encryption"] = name
        return change

    def offset(h):
        h.json["segments"]["0"]["offset"] = str(int(h.json["segments"]["0"]["offset"]) + 65536)

    def digest_(h):
        d = h.json["digests"]["0"]
        d["digest"] = base64.b64encode(bytes(len(base64.b64decode(d["digest"])))).decode()

    def iterations(h):
        h.json["digests"]["0"]["iterations"] += 1

    for name, change in ("uuid", uuid), ("cipher", cipher("aes-cbc-essiv:sha256")), ("cipher for none", cipher("cipher_null-ecb")), \
                        ("place of the data", offset), ("digest of the volume key", digest_), ("way to its digest", iterations):
        r = opens(changed(change))
        ok(said(r, "ANCHOR_BOUND"), f"a header with another {name}", r)
        ok("[DENIED]" not in r.stderr and "verified" not in r.stderr, f"another {name}: no vault was asked", r)
    with open("short.img", "wb") as f:
        f.write(open(CONTAINER, "rb").read(1 << 20))
    for name, content in ("zeros", bytes(1 << 20)), ("noise", os.urandom(1 << 20)), ("nothing", b""):
        with open("bad.img", "wb") as f:
            f.write(content)
        r = opens("bad.img")
        ok(said(r, "LUKS_HEADER"), f"no container but {name}", r)
    r = opens("short.img")
    ok(r.returncode == 1 and "opens" not in r.stdout, "a container that was cut off", r)


def existing():
    def make(path, size, at=None):
        with open(path, "wb") as f:
            f.truncate(size)
            if at is not None:
                f.seek(at)
                f.write(b"data")

    for name, at in ("at its beginning", 0), ("behind the header", (20 << 20) + 7), ("at its end", (64 << 20) - 4):
        make("used.img", 64 << 20, at)
        was = digest("used.img")
        r = fmt("used.img")
        ok(said(r, "LUKS_DATA") and digest("used.img") == was and not beside("used.img"), f"a file with data {name}", r)
    r = fmt("used.img", "--force")
    ok(r.returncode == 0 and os.path.getsize("used.img") == 64 << 20 and opens("used.img").returncode == 0, "--force", r)
    make("blank.img", 18 << 20)
    r = fmt("blank.img")
    ok(r.returncode == 0 and os.path.getsize("blank.img") == 18 << 20 and opens("blank.img").returncode == 0, "a file of zeros is taken", r)
    make("small.img", 16 << 20)
    r = fmt("small.img")
    ok(said(r, "LUKS_SIZE"), "one that is too small is not", r)
    os.mkdir("folder")
    r = fmt("folder")
    ok(r.returncode == 1 and "[FILE_" in r.stderr, "nor is a folder", r)
    r = app("format", "--grant", "grant.json", "--anchor", "anchor.json", "-n", "4", "--size", LEAST, "few.img")
    ok(said(r, "SPLIT_FEW", 3) and not os.path.exists("few.img") and not beside("few.img"), "too few vaults: nothing is left", r)
    r = fmt("kept.img", "--descriptor", "kept.key")
    ok(r.returncode == 0 and opens("kept.img").returncode == 0 and sorted(beside("kept.key")) == [], "a descriptor that is kept", r)
    r = run(PLEIAD, "sim", "run", "--as", "billing", "--measured", "anchor.json", "--", PLEIAD, "key", "status", "--anchor", "anchor.json",
            "--descriptor", "kept.key", env={"LD_PRELOAD": KILL_AT})
    ok(r.returncode == 0 and r.stdout.count("active") == 3, "is good for key status", r)
    r = fmt("kept2.img", "--descriptor", "kept.key")
    ok(said(r, "FILE_EXISTS") and not os.path.exists("kept2.img"), "and is not overwritten", r)
    busy = subprocess.Popen(["flock", "busy.img.pleiad.format", "-c", "echo; read x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    busy.stdout.readline()
    r = fmt("busy.img")
    busy.communicate(b"\n")
    ok(said(r, "LUKS_BUSY") and not os.path.exists("busy.img"), "two formats at once", r)


def points(everything):
    """(n, what) of the changes before which to die: wherever one kind follows another, or all."""
    out, seen, before = [], set(), ""
    for line in open("trace"):
        n, what, path = line.split(" ", 2)
        kind = f"{what} {os.path.basename(path.strip())}"
        if everything or (before, kind) not in seen:
            out.append((int(n), kind))
        seen.add((before, kind))
        before = kind
    return out


def interrupted(everything):
    all_points, ways = points(everything), set()
    ok(len(all_points) > 12, "there are moments to die at", all_points)
    for n, what in all_points:
        file = f"k{n}.img"
        r = fmt(file, env={"KILL_AT": str(n)})
        killed = r.returncode == -9
        r = fmt(file, "--json")
        done = r.returncode == 0 and not beside(file)
        ways.add(json.loads(r.stdout)["format"] if done else "")
        again = opens(file)
        ok(killed and done and again.returncode == 0, f"killed before change {n} ({what}): formatted again, and it opens",
           (killed, r, beside(file), again))
        was = digest(file)
        r = fmt(file)
        ok(said(r, "LUKS_DATA") and digest(file) == was, f"{n}: what is finished is not touched any more", r)
        os.unlink(file)
    ok(ways == {"new", "anew", "resumed"}, "all ways back and on were taken", ways)


def left_over():
    """A mark of an interrupted format does not cover what somebody put there since."""
    create = next(n for n, what in points(False) if what.startswith("make disk.img.pleiad.journal"))
    r = fmt("swapped.img", env={"KILL_AT": str(create)})
    ok(r.returncode == -9 and beside("swapped.img") == ["swapped.img.pleiad.format"], "killed with a header and a mark", beside("swapped.img"))
    shutil.copyfile(CONTAINER, "new.img")
    os.rename("new.img", "swapped.img")
    was = digest("swapped.img")
    r = fmt("swapped.img")
    ok(said(r, "LUKS_DATA") and digest("swapped.img") == was, "another file in its place is not overwritten", r)
    r = fmt("again.img", env={"KILL_AT": str(create)})
    with open("again.img", "r+b") as f:
        f.write(open(CONTAINER, "rb").read())
    was = digest("again.img")
    r = fmt("again.img")
    ok(said(r, "LUKS_DATA") and digest("again.img") == was, "nor is a finished container in the same file", r)


def main():
    os.environ["PLEIAD_HOME"] = os.path.join(os.getcwd(), "home")
    os.environ.pop("PLEIAD_SIM_SOCKET", None)
    everything = sys.argv[1:] == ["all"]
    try:
        for test in setup, plain, mapped, linked, anchors, tokens, bound, existing:
            test()
        if KILL_AT:
            interrupted(everything)
            left_over()
    finally:
        run(PLEIAD, "dev", "down")
    return tap.end()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="pleiad-luks.") as folder:
        os.chdir(folder)
        status = main()
        os.chdir("/")
    sys.exit(status)
