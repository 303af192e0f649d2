"""The files of a real vault, bent: a flipped bit anywhere in log, snapshot or sealed root stops the start with
a message that names the place, and changes nothing on the disk. A last frame with a sector that was not
written is the one thing that is cut.

A start for each of FLIPS places of each file; with --every, by a vault that opens its files again and again
with the keys of one start (bent.c), every 64th byte of all that was written, and every byte of the sealed root.

    damage.py [FLIPS] [--every]      100 of each long file unless said otherwise"""
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import struct
import sys
import time

from siege import Link, Tap, World, share, statement, until

STEP, EVERY = 64, 1000
SECTOR = 512
FRAME = b"PLFRAME1"


def fill(world, tap):
    """Ten keys, exports until a snapshot is due, its writing, some more: the caller and its keys."""
    vault, who, keys = world.vault("vault", "--snapshot-every", str(EVERY)), world.caller(), {}
    link = Link(vault.port, who)
    for _ in range(10):
        body = share(who)
        handle = statement(link.call("POST", "/v1/keys", body)[1])["handle"]
        assert link.call("POST", f"/v1/keys/{handle}/activate", {})[0] == 200
        keys[handle] = body["share"]
    names = list(keys)
    for i in range(0, EVERY + 100, 50):
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
    ends = most // 4
    return every if not most or len(every) <= most else every[:ends] + every[ends:-ends:2 * len(every) // most + 1] + every[-ends:]


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


def every(world, tap, folder):
    """No place is left out. Of the zeros that wait behind a log's last frame few are kept meanwhile: it is
    read as a whole each time."""
    whole = {f: os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder) if f.startswith("log.")}
    for f in whole:
        path = os.path.join(folder, f)
        os.truncate(path, min(whole[f], max(at + n for at, n in frames(path)) + 2 * 4096))
    before, sizes = digest(folder), {f: len(places(os.path.join(folder, f), 0)) for f in os.listdir(folder)}
    sizes["root.sealed"] = os.path.getsize(folder + "/root.sealed")
    begun = time.monotonic()
    vault = world.vault("vault", PL_BEND=folder)
    status = vault.p.wait()
    took = time.monotonic() - begun
    said = [line.split(" ", 3) for line in vault.text().splitlines() if line.startswith(("bent ", "passed "))]
    bent = {line[1]: int(line[2]) for line in said if line[0] == "bent"}
    bad = [line for line in said if line[0] == "passed"]
    tap.ok(status == 0 and not bad and all(bent.get(f, -1) >= n for f, n in sizes.items()) and set(bent) == set(sizes),
           f"a flipped bit at every {STEP}th byte, {sum(bent.values())} places in {len(bent)} files: each is refused and named",
           *bad[:4], bent, sizes, vault.text()[-1000:])
    tap.ok(digest(folder) == before, "and nothing on the disk is changed")
    for f, size in whole.items():
        os.truncate(os.path.join(folder, f), size)
    tap.note(f"{took:.0f} s")


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
    most = next((int(a) for a in sys.argv[1:] if a.isdigit()), 100)
    tap = Tap()
    with World(vaultd=os.environ["BENT"]) as world:
        folder, who, keys = fill(world, tap)
        if "--every" in sys.argv:
            every(world, tap, folder)
        bend(world, tap, folder, most)
        torn(world, tap, folder, who, keys)
        vault = world.vault("vault")
        tap.ok(vault.port, "unbent, it starts", vault.text())
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
