"""The files of a real vault, bent: a flipped bit anywhere in log, snapshot or sealed root stops the start with
a message that names the place, and changes nothing on the disk. A last frame with a sector that was not
written is the one thing that is cut.

    damage.py [FLIPS]      400 of each long file at most; 0: every 64th byte of all that was written"""
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import struct
import sys

from siege import Link, Tap, World, share, statement, until

STEP = 64
SECTOR = 512
FRAME = b"PLFRAME1"


def fill(world, tap):
    """Ten keys, exports until a snapshot is due, its writing, some more: the caller and its keys."""
    vault, who, keys = world.vault("vault"), world.caller(), {}
    link = Link(vault.port, who)
    for _ in range(10):
        body = share(who)
        handle = statement(link.call("POST", "/v1/keys", body)[1])["handle"]
        assert link.call("POST", f"/v1/keys/{handle}/activate", {})[0] == 200
        keys[handle] = body["share"]
    names = list(keys)
    for i in range(0, 10100, 50):
        streams = [link.ask("POST", f"/v1/keys/{names[(i + j) % 10]}/export", {}) for j in range(50)]
        assert all(link.answer(s)[0] == 200 for s in streams)
    tap.ok(until(lambda: glob.glob(vault.folder + "/snapshot.0*")), "a snapshot is written", vault.text())
    for i in range(40):
        assert link.call("POST", f"/v1/keys/{names[i % 10]}/export", {})[0] == 200
    vault.end(signal.SIGKILL)
    for f in glob.glob(vault.folder + "/*.new"):
        os.unlink(f)
    return vault.folder, who, keys


def frames(path):
    """(offset, length) of each frame of a segment."""
    data, at = open(path, "rb").read(), 0
    while data[at:at + 8] == FRAME:
        n = int.from_bytes(data[at + 56:at + 60], "big")
        yield at, n
        at += n


def digest(folder):
    out = hashlib.sha256()
    for f in sorted(os.listdir(folder)):
        out.update(f.encode() + b"\0" + hashlib.sha256(open(os.path.join(folder, f), "rb").read()).digest())
    return out.hexdigest()


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        b = f.read(1)[0]
        f.seek(at)
        f.write(bytes([b ^ 1 << at // STEP % 8]))


def refused(world, name, at):
    """None, or what is wrong with this start."""
    before = digest(world.path("vault"))
    vault = world.vault("vault")
    text = vault.text()
    if vault.port:
        vault.end(signal.SIGKILL)
        return "it starts"
    if vault.p.wait() != 1 or digest(world.path("vault")) != before:
        return f"status {vault.p.wait()}, the disk is {'changed' if digest(world.path('vault')) != before else 'as it was'}"
    told = [json.loads(line) for line in text.splitlines() if '"error"' in line]
    what = told[0]["what"] if told else ""
    place = re.search(r"at byte (\d+)", what)
    if name not in what:
        return f"it does not name {name}: {text}"
    if name.startswith("log.") and (not place or int(place[1]) > at or at - int(place[1]) > 1 << 20):
        return f"it names another place: {what}"
    return None


def places(path, most):
    """Offsets to bend: of a log, what was written and a little behind it."""
    size = os.path.getsize(path)
    if "/log." in path:
        all_ = [*frames(path)]
        size = min(size, all_[-1][0] + all_[-1][1] + 4096) if all_ else 4096
    every = list(range(0, size, STEP))
    return every if not most or len(every) <= most else every[:64] + every[64:-64:len(every) // (most - 128) + 1] + every[-64:]


def bend(world, tap, folder, most):
    for path in sorted(glob.glob(folder + "/*")):
        name, bad, n = os.path.basename(path), [], 0
        for at in places(path, most):
            flip(path, at)
            why = refused(world, name, at)
            flip(path, at)
            n += 1
            if why:
                bad.append(f"byte {at}: {why}")
            if len(bad) > 3:
                break
        tap.ok(n and not bad, f"{name}: {n} flipped bits, each stops the vault, is named, and changes nothing", *bad)


def torn(world, tap, folder, who, keys):
    """Each sector of the last frame, as if it was not written."""
    path = sorted(glob.glob(folder + "/log.0*"))[-1]
    *_, (at, n) = frames(path)
    bad = []
    for sector in range(at, at + n, SECTOR):
        copy = folder + ".whole"
        shutil.copytree(folder, copy)
        with open(path, "r+b") as f:
            f.seek(sector)
            f.write(bytes(SECTOR))
        vault = world.vault("vault")
        if not vault.port or f'"tail_cut":"0"' in vault.text():
            bad.append(vault.text())
        else:
            link = Link(vault.port, who)
            bad += [h for h, s in keys.items() if link.call("POST", f"/v1/keys/{h}/export", {})[1].get("share") != s]
            vault.end(signal.SIGKILL)
        shutil.rmtree(folder)
        os.rename(copy, folder)
    tap.ok(not bad, f"a last frame with any of its {n // SECTOR} sectors unwritten is cut", *bad[:3])


def main():
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    tap = Tap()
    with World() as world:
        folder, who, keys = fill(world, tap)
        bend(world, tap, folder, most)
        torn(world, tap, folder, who, keys)
        vault = world.vault("vault")
        tap.ok(vault.port, "unbent, it starts", vault.text())
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
