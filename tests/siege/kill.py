"""kill -9 of a real vault at moments of chance, under load, at its start, while it writes a snapshot.
A caller that is not libpleiad keeps its own account of what was sent and what was answered; after each
restart the vault must have all of what it acknowledged and nothing that nobody sent.

    kill.py [KILLS] [--seed N]      12 kills unless said otherwise; every 25th waits for a snapshot"""
import os
import random
import signal
import sys
import threading
import time

from siege import (Gone, Link, Tap, World, b64, seed_from, share, statement, unb64, until)

BATCH = 12
CALLERS = 2
CREATES = 240  # of one caller between two kills
KILLS_OF_CALLERS = 40
OLD_SAMPLE = 24


class Key:
    """What one caller knows of one key: what it sent, and what of that was acknowledged."""

    def __init__(self, body):
        self.body, self.handle = body, None
        self.sent, self.acked = {"create"}, set()

    def states(self):
        """In which it may be, once it was activated."""
        return {"deleted"} if "delete" in self.acked else {"active", "deleted"} if "delete" in self.sent else {"active"}


class Account:
    """All that one caller did, over all restarts."""

    def __init__(self, who):
        self.who, self.keys, self.unknown = who, {}, {} # by handle; by commitment, created without an answer
        self.indexes = {}  # log entries that were acknowledged: index -> what
        self.doubts, self.before = [], set()

    def entry(self, index, what):
        if index in self.indexes:
            self.doubts.append(f"log entry {index} was {self.indexes[index]} and is now {what}: one of them is lost")
        self.indexes[index] = what

    def created(self, key, doc):
        key.handle = statement(doc)["handle"]
        key.acked.add("create")
        self.unknown.pop(key.body["commitment"], None)
        self.keys[key.handle] = key
        self.entry(doc["index"], f"create {key.handle}")

    def done(self, key, what, status, doc):
        if status == 200:
            key.acked.add(what)
            self.entry(doc["index"], f"{what} {key.handle}")
        if what == "export" and status == 200 and (doc["share"], doc["tag"]) != (key.body["share"], key.body["tag"]):
            self.doubts.append(f"{key.handle} exports another share")


PATHS = {"activate": ("POST", "/activate"), "export": ("POST", "/export"), "delete": ("DELETE", "")}


class Load(threading.Thread):
    """Create, activate, export, delete until the vault goes, 12 at a time."""

    def __init__(self, port, account, chance):
        super().__init__()
        self.port, self.account, self.chance, self.answered, self.error = port, account, chance, 0, None
        self.live, self.made = [], 0

    def send(self, link, key, what):
        key.sent.add(what)
        if what == "create":
            self.account.unknown[key.body["commitment"]] = key
            return link.ask("POST", "/v1/keys", key.body)
        method, end = PATHS[what]
        return link.ask(method, f"/v1/keys/{key.handle}{end}", {} if method == "POST" else None)

    def wave(self, link, jobs):
        """jobs: (key, what); what was answered, also when the connection ended in between."""
        open_, good = {}, []
        try:
            for key, what in jobs:
                open_[self.send(link, key, what)] = key, what
            while open_:
                self.take(link, open_, good)
                if open_:
                    link.read()
        finally:
            self.take(link, open_, good)
        return good

    def take(self, link, open_, good):
        for stream in [s for s in open_ if s in link.answers]:
            key, what = open_.pop(stream)
            status, doc = link.answer(stream)
            self.answered += 1
            if what == "create" and status == 201:
                self.account.created(key, doc)
                good.append(key)
            elif what != "create":
                self.account.done(key, what, status, doc)
                good += [key] if status == 200 else []
            if status not in (200, 201, 202, 503):
                self.error = f"{what}: {status} {doc}"

    def run(self):
        try:
            link = Link(self.port, self.account.who)
            while True:
                self.round(link)
        except (Gone, OSError):
            pass

    def round(self, link):
        if self.made < CREATES:
            self.made += BATCH
            fresh = [Key(share(self.account.who, self.chance.choice((40, 40, 700, 9000)))) for _ in range(BATCH)]
            made = self.wave(link, [(k, "create") for k in fresh])
            done = self.wave(link, [(k, "activate") for k in made if self.chance.random() < 0.9])
            doomed = [k for k in done if self.chance.random() < 0.3]
            self.live += [k for k in done if k not in doomed]
            self.wave(link, [(k, "delete") for k in doomed])
        self.wave(link, [(k, "export") for k in self.chance.sample(self.live, min(BATCH, len(self.live)))])


# ---- after a restart -----------------------------------------------------------------------------


def ask_all(link, jobs):
    """(method, path) each; their answers in order."""
    out = []
    for i in range(0, len(jobs), 24):
        streams = [link.ask(m, p, {} if m == "POST" else None) for m, p in jobs[i:i + 24]]
        out += [link.answer(s) for s in streams]
    return out


def check_prepared(link, account, keys):
    """Created and no more, as far as was answered: each can be activated, unless it was."""
    bad, paths = [], [("POST", f"/v1/keys/{k.handle}/activate") for k in keys]
    for key, (status, doc) in zip(keys, ask_all(link, paths)):
        in_doubt = status == 409 and "activate" in key.sent
        if status != 200 and not in_doubt:
            bad.append(f"{key.handle} acknowledged {key.acked}, sent {key.sent}, does not activate: {status} {doc}")
        account.done(key, "activate", status, doc)
        settle(key, "active")
    return bad


def check_known(link, account, keys):
    """Each of these is as it was acknowledged."""
    bad = check_prepared(link, account, [k for k in keys if "activate" not in k.acked])
    for key, (status, doc) in zip(keys, ask_all(link, [("GET", f"/v1/keys/{k.handle}") for k in keys])):
        if status != 200:
            bad.append(f"{key.handle} acknowledged {key.acked} is answered {status} {doc}")
        elif doc["state"] not in key.states() or doc["commitment"] != key.body["commitment"]:
            bad.append(f"{key.handle} acknowledged {key.acked}, sent {key.sent}, is {doc['state']}")
        else:
            settle(key, doc["state"])
    live = [k for k in keys if "delete" not in k.acked]
    for key, (status, doc) in zip(live, ask_all(link, [("POST", f"/v1/keys/{k.handle}/export") for k in live])):
        if status != 200:
            bad.append(f"{key.handle} does not export: {status} {doc}")
        account.done(key, "export", status, doc)
    return bad


def settle(key, state):
    """What was in doubt is known now."""
    if state in ("active", "deleted"):
        key.acked.add("activate")
        key.sent.add("activate")
    if state == "deleted":
        key.acked.add("delete")


def listed(link):
    handles, page = set(), ""
    while True:
        status, doc = link.call("GET", "/v1/keys" + page)
        assert status == 200, doc
        handles |= {k["handle"] for k in doc["keys"]}
        if "next" not in doc:
            return handles
        page = f"?page={doc['next']}"


def check_strange(link, account, handles):
    """Keys whose creation was not answered: each is one that was sent, whole, or it is not there."""
    bad = []
    for handle in handles - set(account.keys):
        status, doc = link.call("GET", f"/v1/keys/{handle}")
        key = account.unknown.pop(doc.get("commitment"), None)
        if status != 200 or key is None:
            bad.append(f"{handle} is there, and nobody made it: {status} {doc}")
            continue
        key.handle = handle
        key.acked.add("create")
        settle(key, doc["state"])
        account.keys[handle] = key
        bad += check_known(link, account, [key])
    gone = [h for h, k in account.keys.items() if "activate" in k.acked and h not in handles]
    return bad + [f"{h} is missing from the list" for h in gone]


class Siege:
    def __init__(self, world, tap, chance):
        self.world, self.tap, self.chance = world, tap, chance
        self.accounts, self.id, self.epoch = [], None, -1
        self.starts_cut = self.snapshots_cut = 0

    def identity(self, link):
        """The same vault, a start later, with all of its log."""
        status, doc = link.call("GET", "/v1/status")
        top = max((i for a in self.accounts for i in a.indexes), default=0)
        me = doc["vault_id"], doc["config_root"]
        bad = [f"it was {self.id} and is {me}"] if self.id not in (None, me) else []
        bad += [f"entry {top} was acknowledged, the log has {doc['log_size']}"] if doc["log_size"] <= top else []
        bad += [f"start {doc['epoch']} after start {self.epoch}"] if doc["epoch"] <= self.epoch else []
        self.id, self.epoch = me, doc["epoch"]
        return bad

    def check(self, vault, everything=False):
        """What is new since the last kill, and some of all that is older."""
        bad = []
        for account in self.accounts:
            link = Link(vault.port, account.who)
            bad += self.identity(link) if account is self.accounts[0] else []
            keys = list(account.keys.values())
            if not everything:
                keys = [k for h, k in account.keys.items() if h not in account.before]
                keys += self.chance.sample(list(account.keys.values()), min(OLD_SAMPLE, len(account.keys)))
            bad += check_known(link, account, list(dict.fromkeys(keys)))
            if everything or (account in self.accounts[-CALLERS:] and self.chance.random() < 0.2):
                bad += check_strange(link, account, listed(link))
            bad += account.doubts
            account.before = set(account.keys)
            link.close()
        return bad

    def cut_start(self):
        vault = self.world.vault("vault", wait=False)
        time.sleep(self.chance.uniform(0, 0.15))
        self.starts_cut += "ready" not in vault.text()
        vault.end(signal.SIGKILL)

    def kill_in_snapshot(self, vault):
        new = vault.folder + "/snapshot.new"
        until(lambda: os.path.exists(new), 30, step=0.0005)
        time.sleep(self.chance.uniform(0, 0.01))
        vault.end(signal.SIGKILL)
        self.snapshots_cut += os.path.exists(new)

    def one(self, number):
        """Start, check, load, kill. False: it went wrong."""
        if number % KILLS_OF_CALLERS == 1:
            self.accounts += [Account(self.world.caller()) for _ in range(CALLERS)]
        if number % 4 == 0:
            self.cut_start()
        vault = self.world.vault("vault")
        if not vault.port:
            return self.tap.ok(False, f"start {number}", vault.text())
        bad = self.check(vault)
        loads = [Load(vault.port, a, self.chance) for a in self.accounts[-CALLERS:]]
        for load in loads:
            load.start()
        until(lambda: all(load.answered or not load.is_alive() for load in loads))
        if number % 25 == 24:
            self.kill_in_snapshot(vault)
        else:
            time.sleep(self.chance.uniform(0, 0.3))
            vault.end(signal.SIGKILL)
        for load in loads:
            load.join()
        bad += [load.error for load in loads if load.error]
        return not bad or self.tap.ok(False, f"kill {number}", *bad[:8], vault.text())


def main():
    args = sys.argv[1:]
    kills = int(args[0]) if args and args[0].isdigit() else 12
    chance, tap = random.Random(seed_from(args)), Tap()
    with World() as world:
        siege = Siege(world, tap, chance)
        good = all(siege.one(i) for i in range(1, kills + 1))
        vault = world.vault("vault")
        bad = siege.check(vault, everything=True) if vault.port else [vault.text()]
        acked = sum(len(a.indexes) for a in siege.accounts)
        keys = sum(len(a.keys) for a in siege.accounts)
        tap.note(f"{kills} kills, {siege.starts_cut} more before it served, {siege.snapshots_cut} while a snapshot was written; "
                 f"{keys} keys, {acked} acknowledged entries")
        tap.ok(good and not bad, "kill -9 loses nothing that was acknowledged, and nothing is half made", *bad[:8])
        tap.ok(keys > 20 * kills and acked > 60 * kills, "the load was a load", keys, acked)
        tap.ok(vault.end() == 0, "and the vault still ends cleanly", vault.text())
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
