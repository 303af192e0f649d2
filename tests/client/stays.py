"""A process that stays: what changes between its calls, at vaults and in its own folders, costs none of
them an answer. And what is only late or busy is asked again, or passed over. TAP."""
import concurrent.futures
import os
import shutil
import signal
import socket
import threading

import world as w
from recover import SECRET, moved, share_of, whys
from split import descriptor, ids_of, ranked

ACTIVE = ["active"] * 4


class Cable:
    """A way to a vault. `cut` ends each connection that is open when something more is sent over it."""

    def __init__(self, port):
        self.to, self.s, self.made, self.old = port, socket.socket(), 0, 0
        self.s.bind(("127.0.0.1", 0))
        self.s.listen(16)
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def cut(self):
        self.old = self.made

    def accept(self):
        while True:
            try:
                a = self.s.accept()[0]
            except OSError:
                return
            b = socket.create_connection(("127.0.0.1", self.to))
            self.made += 1
            for ends in (a, b, self.made), (b, a, 0):
                threading.Thread(target=self.copy, args=ends, daemon=True).start()

    def copy(self, a, b, number):
        try:
            while (data := a.recv(65536)) and not 0 < number <= self.old:
                b.sendall(data)
        except OSError:
            pass
        for s in a, b:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.s.close()


def between(x, do, **env):
    """Recovers, then `do`, then asks each vault for the key's state: one process."""
    pause = x.path("between")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        later = pool.submit(x.app, "status", REPEAT="2", BETWEEN=pause, **env)
        assert w.until(lambda: os.path.exists(pause) or later.done())
        try:
            do()
        finally:
            if os.path.exists(pause):
                os.unlink(pause)
        return later.result()


def states(r):
    return [v["state"] for v in r.get("vaults", [])]


def revoke(x, machine):
    """Its maker revokes it, and it goes on: the list of revoked machines is another one."""
    crl = x.path("A", "collateral", "pck_crl.der")
    before = open(crl, "rb").read()
    if os.path.exists(x.path(machine)):
        shutil.copytree(x.path(machine), x.path(machine + "-told"), ignore=lambda d, names: [n for n in names if n.endswith(".sock")])
    x.machine(machine + "-told", "--revoked")
    assert w.until(lambda: open(crl, "rb").read() != before)


def renewed(x, t):
    """The vaults believe newer collateral: what was bound before is bound anew, and nobody notices."""
    x.app("split")

    def newer():
        revoke(x, "somebody-elses")
        for v in x.vaults:
            os.killpg(v["process"].pid, signal.SIGHUP)
        t.ok(w.until(lambda: all("collateral-renewed" in open(v["log"]).read() for v in x.vaults)), "the vaults have newer collateral")

    own = shutil.copytree(x.path("A", "collateral"), x.path("own-collateral"))
    r = between(x, newer, COLLATERAL=own)
    t.ok(r["exit"] == 0 and states(r) == ACTIVE, "the next call over connections of before is answered by each vault", r)


def lost(x, t):
    """Connections that end when they are used: nothing told the app before."""
    cables = [Cable(v["port"]) for v in x.vaults]
    places = moved(x, {i: c.port for i, c in enumerate(cables)})
    r = between(x, lambda: [c.cut() for c in cables], PLACES=places)
    t.ok(r["exit"] == 0 and states(r) == ACTIVE, "the next call goes over new connections", r)
    t.ok([c.made for c in cables] == [2] * 4, "one more to each vault", [c.made for c in cables])
    for c in cables:
        c.close()


def believes(x, t):
    """The app's own collateral: a vault's machine is revoked while the app lives."""
    own, last = x.path("own-collateral"), x.path("A", "collateral", "pck_crl.der")
    bad = x.vaults[3]
    shutil.rmtree(own, ignore_errors=True)
    shutil.copytree(x.path("A", "collateral"), own)
    r = between(x, lambda: revoke(x, "machine3"), COLLATERAL=own)
    t.ok(states(r) == ACTIVE, "a machine is revoked, and the app's folder does not say so: as before", r)

    def told():
        shutil.copy(last, own + "/pck_crl.der.new")
        os.rename(own + "/pck_crl.der.new", own + "/pck_crl.der")

    older = open(own + "/pck_crl.der", "rb").read()
    r = between(x, told, COLLATERAL=own)
    t.ok(sorted(states(r)) == ["", *ACTIVE[:3]] and "REVOKED" in share_of(r, 0, bad)["why"], "told while it lives, it speaks to this vault no more", r)

    def damaged():
        with open(own + "/pck_crl.der", "wb") as f:
            f.write(older)

    r = between(x, damaged, COLLATERAL=own)
    t.ok("REVOKED" in share_of(r, 0, bad)["why"], "an older list is not taken", r)


def busy(x, t):
    """A vault that has too much to do for evidence says 429: it is asked again, within the deadline."""
    os.environ["PL_LIE"] = "busy"
    late = x.vault("late", x.machine("late-machine"), vaultd=w.env_path("LYING"))
    del os.environ["PL_LIE"]
    r = x.owner("show", x.at(late))
    if not t.ok(r["exit"] == 0, "429, and then its evidence: a vault is shown", r):
        return
    x.anchor("late.json", x.profile(x.vaults[0]), x.profile(late))
    genuine, x.vaults = x.vaults, [x.vaults[0], late]
    x.owner("grant", x.path("owner.pem"), w.INSTANCE, x.policy(), x.path("late-grant.json"), *(v["id"] for v in x.vaults))
    env = dict(N="2", ANCHOR=x.path("late.json"), GRANT=x.path("late-grant.json"), DESCRIPTOR=x.path("late.pleiad"))
    r = x.app("split", DEADLINE="900", **env)
    t.ok(r["error"] == "SPLIT_FEW" and share_of(r, 0, late)["why"] == "PEER_BUDGET", "429, and no time to come again: it says so", r)
    r = x.app("split", DEADLINE="30000", **env)
    t.ok(r["exit"] == 0, "429, and time: the vault is asked again", r)
    r = x.app("recover", **env)
    t.ok(r["secret"] == SECRET, "and the key recovers", r)
    x.vaults = genuine


def hedged(x, t):
    """A candidate that the split's secret ranks high, and that is silent, costs no deadline."""
    s = w.Silent()
    for i in range(12):
        d = f"hedged{i}.pleiad"
        r = x.app("split", N="2", PLACES=moved(x, {0: s.port}), DEADLINE="20000", DESCRIPTOR=x.path(d))
        good = descriptor(x, d) if r["exit"] == 0 else None
        chosen, ranks = (ids_of(good), ranked(good, [v["id"] for v in x.vaults])) if good else ([], [])
        if not t.ok(good and chosen == [v for v in ranks if v != x.vaults[0]["id"]][:2] and r["ms"] < 19000,
                    "one of four is silent: the next in rank takes its place before any deadline", r):
            break
        if x.vaults[0]["id"] in ranks[:2]:
            break
    t.ok(x.vaults[0]["id"] in ranks[:2], "also where it would have been taken", ranks)
    s.close()


if __name__ == "__main__":
    w.main([hedged, renewed, lost, busy, believes])
