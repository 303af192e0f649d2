"""Split: interrupted at every step, too few vaults, one machine twice, and what two vaults can join. TAP."""
import base64
import hashlib
import hmac
import json
import os
import re

import world as w
from recover import SECRET, moved, whys


def files(x, name):
    return sorted(f[len(name):] for f in os.listdir(x.dir) if f.startswith(name))


def holds_secret(x, name):
    raw = bytes.fromhex(SECRET)
    forms = [raw, SECRET.encode(), base64.urlsafe_b64encode(raw).rstrip(b"=")]
    return any(form in open(x.path(f), "rb").read() for f in os.listdir(x.dir) if f.startswith(name) for form in forms)


def interrupt_each(x, t, sweep, seen):
    """The descriptor of the split that ran to its end."""
    for stop in range(1, 400):
        d = f"cut{sweep}-{stop}.pleiad"
        env = dict(DESCRIPTOR=x.path(d))
        r = x.app("split", STOP=str(stop), **env)
        if r["exit"] == 0:
            return d
        left = tuple(files(x, d))
        lines = open(x.path(d + ".journal")).read().count("\n") if ".journal" in left else 0
        state = (left, lines, stop if ".new" in left else 0)
        if state in seen:
            continue
        seen.add(state)
        t.ok(not holds_secret(x, d), f"step {stop}: {left} with {lines} journal lines holds no secret")
        if left:
            r = x.app("split", **env)
            t.ok(r["error"] == "SPLIT_UNFINISHED", f"step {stop}: must be resumed first", r)
        r = x.app("resume", **env)
        want = "done" if ".new" in left else "undone" if ".journal" in left else "nothing"
        t.ok(r["exit"] == 0 and r["more"] == want, f"step {stop}: resume says {want}", r)
        if want != "done":
            t.ok(files(x, d) == [], f"step {stop}: nothing is left", files(x, d))
            r = x.app("split", **env)
            t.ok(r["exit"] == 0, f"step {stop}: split anew", r)
        r = x.app("recover", **env)
        t.ok(r["exit"] == 0 and r["secret"] == SECRET and files(x, d) == [""], f"step {stop}: it recovers", r)
        t.ok(x.app("status", **env)["exit"] == 0, f"step {stop}: every vault has it")


KINDS = {(), (".journal",), (".journal", ".new")}


def interrupted(x, t):
    """kill -9 before each step of the loop, until one split runs to its end; again while answers came
    together so that a step did two things at once and a kind of leftover was not seen."""
    seen = set()
    for sweep in range(8):
        d = interrupt_each(x, t, sweep, seen)
        kinds = {left for left, _, _ in seen}
        if KINDS <= kinds:
            break
    t.ok(KINDS <= kinds, "interrupted before, while and after creating", kinds)
    with open(x.path(d + ".journal"), "w"):
        pass
    r = x.app("resume", DESCRIPTOR=x.path(d))
    t.ok(r["more"] == "done" and files(x, d) == [""], "interrupted between rename and the journal's end", r)
    with open(x.path("torn.pleiad.journal"), "w") as f:
        f.write(json.dumps({"endpoint": "127.0.0.1:1", "journal": 1, "vault_id": "ab" * 32}) + '\n{"handle":"AAAA')
    r = x.app("resume", DESCRIPTOR=x.path("torn.pleiad"))
    t.ok(r["more"] == "undone" and files(x, "torn.pleiad") == [], "a journal whose last line is torn", r)
    with open(x.path("odd.pleiad.journal"), "w") as f:
        f.write('{"handle":"AAAAAAAAAAAAAAAAAAAAAA","vault_id":"%s"}\n' % ("ab" * 32))
    r = x.app("resume", DESCRIPTOR=x.path("odd.pleiad"))
    t.ok(r["error"] == "JOURNAL_FORM", "a journal that cannot be", r)


def descriptor(x, name):
    return json.load(open(x.path(name)))["descriptor"]


def ranked(d, ids):
    """The order that this split's link secret gives."""
    secret = base64.urlsafe_b64decode(d["link_secret"] + "=")
    return sorted(ids, key=lambda i: hmac.new(secret, bytes.fromhex(i), hashlib.sha256).digest())


def ids_of(d):
    return [v["vault_id"] for v in d["vaults"]]


def rank(x, t):
    """Whom a split takes, of more than it needs: tests/scale has the same for twelve."""
    for i in range(2):
        r = x.app("split", N="2", DESCRIPTOR=x.path(f"rank{i}.pleiad"))
        d = descriptor(x, f"rank{i}.pleiad")
        t.ok(ids_of(d) == ranked(d, [v["id"] for v in x.vaults])[:2], "the two that its link secret ranks first, of four", r)


def few(x, t):
    s = w.Silent()
    env = dict(PLACES=moved(x, {2: s.port}), DEADLINE="1500", DESCRIPTOR=x.path("few.pleiad"))
    r = x.app("split", **env)
    t.ok(r["error"] == "SPLIT_FEW" and files(x, "few.pleiad") == [], "one of four is silent: too few, nothing stays", r)
    r = x.app("split", MIN="3", **env)
    t.ok(r["exit"] == 0 and sum(v["used"] for v in r["vaults"]) == 3, "three when three are good enough", r)
    s.close()
    d = json.load(open(x.path("few.pleiad")))["descriptor"]
    t.ok(d["n"] == 3 and len(d["vaults"]) == 3 and d["k"] == 2, "the descriptor says so", d["n"])
    r = x.app("recover", DESCRIPTOR=x.path("few.pleiad"))
    t.ok(r["exit"] == 0 and r["secret"] == SECRET, "and recovers", r)
    r = x.app("split", MIN="3", **env)
    t.ok(r["error"] == "FILE_EXISTS", "an existing descriptor is not overwritten", r)
    r = x.app("split", VENDORS="2", DESCRIPTOR=x.path("none.pleiad"))
    t.ok(r["error"] == "SPLIT_FEW" or r["exit"] == 1, "two vendors where there is one", r)
    r = x.app("recover", VENDORS="2", DESCRIPTOR=x.path("few.pleiad"))
    t.ok(r["error"] == "RECOVER_FEW" and not r["secret"], "nor are shares of one vendor combined for two", r)
    r = x.app("recover", VENDORS="1", DESCRIPTOR=x.path("few.pleiad"))
    t.ok(r["secret"] == SECRET, "for one they are", r)
    r = x.app("delete", DESCRIPTOR=x.path("few.pleiad"))
    t.ok(r["exit"] == 1 and whys(r) == {"DENIED"}, "an app may not delete its key", r)


def one_machine(x, t):
    twin = x.vault("twin", x.vaults[0]["socket"])
    genuine, x.vaults = x.vaults, [x.vaults[0], twin]
    x.owner("grant", x.path("owner.pem"), w.INSTANCE, x.policy(), x.path("twin.json"), *(v["id"] for v in x.vaults))
    r = x.app("split", N="2", GRANT=x.path("twin.json"), DESCRIPTOR=x.path("twin.pleiad"))
    t.ok(r["error"] == "SPLIT_FEW", "two vaults on one machine do not make two", r)
    x.vaults = genuine


TOKEN = re.compile(r"[A-Za-z0-9_-]{20,}")


def tokens(text):
    """Everything long enough to be an identifier, a key or a signature."""
    return set(TOKEN.findall(text))


def joiner(x, t):
    """All that two vaults received and answered, side by side: what they share names the app, and no key."""
    d = x.path("disk.pleiad")
    t.ok(x.app("split", DESCRIPTOR=d)["exit"] == 0, "a split to join")
    grant = json.load(open(x.path("grant.json")))
    app = grant["policy"]["profiles"]["billing-v1"]["measurements"]["mrenclave"][0]
    descriptor = json.load(open(d))["descriptor"]
    views = {}
    for v in descriptor["vaults"]:
        c = next(c for c in grant["candidates"] if c["vault_id"] == v["vault_id"])
        policy = json.loads(json.dumps(grant["policy"]))
        policy["salt"] = c["salt"]
        policy["principals"]["owner"]["me"]["spki_sha256"] = v["statement"]["statement"]["owners"][0]
        log = open(next(o["log"] for o in x.vaults if o["id"] == v["vault_id"])).read()
        views[v["vault_id"]] = {"grant": tokens(json.dumps(c["grant"])), "policy": tokens(json.dumps(policy)),
                                "statement": tokens(json.dumps(v["statement"])), "log": tokens(log)}
    ids = sorted(views)
    known = {app, x.config["config_root"], c["grant"]["statement"].get("profile_sha256"), c["grant"]["proof"]["jws"]["protected"],
             v["statement"]["proof"]["jws"]["protected"]}
    for i, a in enumerate(ids):
        for b in ids[i + 1:]:
            for part in "grant", "policy", "statement", "log":
                both = {k for k in views[a][part] & views[b][part] if k not in known}
                both = {k for k in both if not k.islower() or any(ch.isdigit() for ch in k)}
                t.ok(not both, f"{part}s of two vaults share nothing but the app", both)
    for what in "handle", "policy_sha256":
        t.ok(len({v[what] for v in descriptor["vaults"]}) == 4, f"every vault has its own {what}")
    for what in "commitment", "handle", "policy_sha256":
        t.ok(len({v["statement"]["statement"][what] for v in descriptor["vaults"]}) == 4, f"every statement its own {what}")


if __name__ == "__main__":
    w.main([interrupted, rank, few, one_machine, joiner])
