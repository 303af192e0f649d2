"""Placement: twelve vaults that the owner listed, and a thousand that somebody ground. Who is chosen follows from
the owner's list and a secret of each split, which the descriptor tells afterwards. TAP."""
import copy
import json
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "client"))
import world as w  # noqa: E402
from recover import SECRET  # noqa: E402
from split import descriptor, ids_of, ranked  # noqa: E402

VAULTS, SPLITS, GROUND = 12, 6, 1000


class Trap(w.Silent):
    """Where the ground vault_ids lead: nobody may come."""

    def __init__(self):
        super().__init__()
        self.came = 0
        threading.Thread(target=self.count, daemon=True).start()

    def count(self):
        while True:
            try:
                self.s.accept()
                self.came += 1
            except OSError:
                return


def check(t, r, d, alive, n, name):
    t.ok(d and ids_of(d) == ranked(d, alive)[:n], name, (r, d and ids_of(d)))


def split(x, name, n=4, **env):
    r = x.app("split", N=str(n), DESCRIPTOR=x.path(name), **env)
    return r, descriptor(x, name) if r["exit"] == 0 else None


def ground(port):
    """Lower and higher than any honest one, in place of each rank that does not need the secret."""
    low = [f"{i:064x}@127.0.0.1:{port}" for i in range(GROUND // 2)]
    high = [f"{(1 << 256) - 1 - i:064x}@127.0.0.1:{port}" for i in range(GROUND // 2)]
    return low + high


def rank(x, t):
    everybody = [v["id"] for v in x.vaults]
    chosen = set()
    for i in range(SPLITS):
        r, d = split(x, f"rank{i}.pleiad")
        check(t, r, d, everybody, 4, f"split {i}: the four that its link secret ranks first, of twelve, in that order")
        chosen |= {tuple(sorted(ids_of(d)))} if d else set()
    t.ok(len(chosen) > 1, "another split is at other vaults", chosen)
    r = x.app("recover", DESCRIPTOR=x.path("rank0.pleiad"))
    t.ok(r["exit"] == 0 and r["secret"] == SECRET, "recover", r)
    r, d = split(x, "all.pleiad", VAULTS)
    check(t, r, d, everybody, VAULTS, "a share at each of the twelve")


def flood(x, t):
    trap, everybody = Trap(), [v["id"] for v in x.vaults]
    for where in "before", "behind":
        both = [" ".join(ground(trap.port)), x.places()]
        r, d = split(x, f"flood-{where}.pleiad", PLACES=" ".join(both if where == "before" else both[::-1]))
        check(t, r, d, everybody, 4, f"a thousand ground vault_ids {where} the owner's: the same rule over the same twelve")
        t.ok(len(r.get("vaults", [])) == VAULTS, "and the report speaks of the twelve", r)
    r = x.app("recover", DESCRIPTOR=x.path("flood-before.pleiad"), PLACES=" ".join([*ground(trap.port), x.places()]))
    t.ok(r["exit"] == 0 and r["secret"] == SECRET, "recover, amid them", r)
    t.ok(trap.came == 0, "nobody ever called one of them", trap.came)
    trap.close()


def canonical(x, grant):
    with open(x.path("smuggled.json"), "w") as f:
        json.dump(grant, f, separators=(",", ":"), sort_keys=True)
    return f.name


def smuggled(x, t):
    """The list itself: a vault that its file gained, in each way that a file can be changed."""
    grant = json.load(open(x.path("grant.json")))
    x.owner("grant", x.path("other.pem"), w.INSTANCE, x.policy(), x.path("hers.json"), x.vaults[0]["id"], "ab" * 32)
    hers = next(c for c in json.load(open(x.path("hers.json")))["candidates"] if c["vault_id"] == "ab" * 32)
    renamed = {**copy.deepcopy(grant["candidates"][0]), "vault_id": "ab" * 32}
    told = copy.deepcopy(renamed)
    told["certificate"]["statement"]["vault_id"] = "ab" * 32
    for name, code, more in ("signed by another root", "GRANT_FILE", hers), ("of the owner's under another id", "GRANT_FILE", renamed), \
            ("whose certificate says that id, too", "SIGNATURE", told):
        g = {**grant, "candidates": sorted(grant["candidates"] + [more], key=lambda c: c["vault_id"])}
        r, d = split(x, "smuggled.pleiad", GRANT=canonical(x, g))
        t.ok(r["error"] == code and not d and not r["vaults"], f"a candidate {name}: nobody is called", r)
    r, d = split(x, "plain.pleiad", GRANT=canonical(x, grant))
    t.ok(d, "the same file without it is good", r)


def down(x, t):
    gone = x.vaults.pop(0)
    places = f"{gone['id']}@127.0.0.1:{gone['port']} " + x.places()
    x.kill(gone)
    alive, missed = [v["id"] for v in x.vaults], 0
    for i in range(SPLITS * 4):
        r, d = split(x, f"down{i}.pleiad", 8, PLACES=places)
        check(t, r, d, alive, 8, f"one of twelve is down, split {i}: the next in rank takes its place")
        missed += bool(d) and gone["id"] in ranked(d, alive + [gone["id"]])[:8]
        if missed:
            break
    t.ok(missed, "it would have been chosen", missed)


if __name__ == "__main__":
    tap, world = w.Tap(), w.World(VAULTS)
    try:
        for test in rank, flood, smuggled, down:
            test(world, tap)
    finally:
        world.stop()
    sys.exit(tap.end())
