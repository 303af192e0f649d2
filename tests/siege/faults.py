"""A real vault whose disk fails, call by call (faulty.c): full, broken, or doing half of what it was asked for.
It does not start, and says why; or it locks itself, and answers "outcome unknown"; or nobody notices. What was
acknowledged is there after the next start on a disk that works.

    faults.py [CASES] [--seed N]      10 unless said otherwise"""
import errno
import glob
import os
import random
import signal
import sys
import time

from kill import CALLERS, Account, Load, Siege
from siege import Link, Tap, World, seed_from, until

# call -> (counts between which there is something to hit, what may go wrong)
KINDS = {
    "write": (60, 90, (str(errno.ENOSPC), str(errno.EIO), "short")),
    "sync": (1, 4, (str(errno.EIO), str(errno.ENOSPC))),
    "open": (1, 10, (str(errno.EIO), str(errno.EMFILE), str(errno.ENOSPC))),
    "rename": (1, 2, (str(errno.EIO), str(errno.ENOSPC))),
    "truncate": (1, 2, (str(errno.EIO), str(errno.ENOSPC))),
    "read": (1, 12, (str(errno.EIO), "short")),
}


def orders(cases, chance):
    """Each call and each fault in turn, at places of chance."""
    every = [(call, how, times) for call, (_, _, hows) in KINDS.items() for how in hows for times in (1, 2, 0)]
    chance.shuffle(every)
    for i in range(cases):
        call, how, times = every[i % len(every)]
        low, high, _ = KINDS[call]
        yield f"{call} {chance.randint(low, high)} {how} {times}"


def sealed_twice(wrote):
    """(frames, of these with another content than one before under the same key and nonce): a frame's key is
    made of its epoch's salt, and its nonce is its sequence."""
    data, at, known, bad = open(wrote, "rb").read(), 0, {}, 0
    while data[at:at + 8] == b"PLFRAME1":
        n = int.from_bytes(data[at + 56:at + 60], "big")
        key = data[at + 60:at + 92], data[at + 48:at + 56]
        bad += known.setdefault(key, hash(data[at:at + n])) != hash(data[at:at + n])
        at += n
    return len(known) if at == len(data) else 0, bad


def one(world, siege, order, tap, seen):
    vault = world.vault("vault", PL_FAULT=order)
    if vault.port:
        loads = [Load(vault.port, a, siege.chance) for a in siege.accounts]
        for load in loads:
            load.start()
        until(lambda: all(load.answered > 60 or not load.is_alive() for load in loads))
        status, doc = Link(vault.port, None).call("GET", "/v1/status")
        locked = doc["state"] == "locked"
        seen["locked" if locked else "unnoticed"] += 1
        vault.end(signal.SIGKILL)
        for load in loads:
            load.join()
        bad = [load.error for load in loads if load.error]
    else:
        seen["refused"] += 1
        told = any(code in vault.text() for code in ('"STORE_IO"', '"STORE_FULL"', '"LOG_LOCKED"'))
        bad = [] if told and vault.p.wait() == 1 else [f"ended with {vault.p.wait()}", vault.text()]
    again = world.vault("vault")
    bad += siege.check(again) if again.port else [again.text()]
    again.end(signal.SIGKILL)
    return tap.ok(not bad, f"{order}: nothing is lost, and the next start is as ever", *bad[:6])


def main():
    args = sys.argv[1:]
    cases = int(args[0]) if args and args[0].isdigit() else 10
    chance, tap = random.Random(seed_from(args)), Tap()
    seen = {"locked": 0, "unnoticed": 0, "refused": 0}
    with World(vaultd=os.environ["FAULTY"]) as world:
        siege = Siege(world, tap, chance)
        siege.accounts = [Account(world.caller()) for _ in range(CALLERS)]
        first = world.vault("vault")
        siege.check(first)
        first.end()
        os.environ["PL_WROTE"] = world.path("wrote")
        good = all([one(world, siege, order, tap, seen) for order in orders(cases, chance)])
        count, twice = sealed_twice(world.path("wrote"))
        tap.ok(count > 20 * cases and not twice, f"{count} frames, none with two contents under one key and nonce", twice)
    enough = all(seen.values()) if cases >= 40 else seen["refused"] + seen["locked"]
    tap.ok(good and enough, "starts were refused, vaults locked, faults unnoticed", seen)
    tap.note(f"{seen}, {sum(len(a.indexes) for a in siege.accounts)} acknowledged entries")
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
