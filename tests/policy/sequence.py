#!/usr/bin/env python3
"""The owner of a key, alone, cannot get to where he needs fewer approvals than before: a search over
sequences of changes, each decided by both evaluators.

    sequence.py DRIVER EXAMPLE [STATES]

From the policy in EXAMPLE (examples/full.json) and some like it, everything that the owner might try
is tried: changes of the policy, one or two at a time, and the acts stage, promote, retire, revoke,
freeze, unfreeze, delete, restore. What is allowed to him, with every key, passkey and account that
he can make himself but with nobody else's approval, leads to a next state. In each state, for each
act, the least number of other people whose approvals make it allowed must not be less than at first."""
import collections, copy, itertools, json, random, sys
from engine import Driver
from loads import refusals
from model import Policy, T, evaluate
from world import COSE, GROUPS, NOBODY, NOON, b64u, by_key, key, oidc, passkey, profile, spki

NEVER = 99
ACTS = ["sign", "export", "rotate", "unfreeze", "delete", "restore", "destroy", "promote", "retire", "hand_over", "replicate", "freeze"]
ALL_FIELDS = ["principals." + g for g in GROUPS] + ["owner_quorum", "profiles", "vault_profiles", "operations", "staging", "quotas",
                                                    "lifecycle", "mutability"]
A1, A2 = ({"of": ["managers/*"], "at_least": n, "fresh_for": "10m"} for n in (1, 2))
GUARDED = {"by": ["owner/*"], "approvals": A2}

# ---- What one policy changes about another --------------------------------------------------------

def parts(doc):
    out = {f: doc.get(f) for f in ALL_FIELDS if "." not in f}
    out.update({"principals." + g: doc["principals"].get(g) or None for g in GROUPS})
    return out

def fewer(was, is_): return set(is_) <= set(was)

def less_rules(was, is_, listed):
    old = {r["id"]: r for r in was}
    if not set(r["id"] for r in is_) <= set(old): return False
    gone = [r for r in was if r["id"] not in {x["id"] for x in is_}]
    cut = [r for r in is_ if r != old[r["id"]]]
    for r in cut:
        o = old[r["id"]]
        if "deny" in o or "deny" in r or r.get("when") != o.get("when"): return False
        if not (fewer(o["allow"], r["allow"]) and fewer(o["to"], r["to"])): return False
    if any("deny" in r for r in gone): return False
    demands = any("approvals" in json.dumps(r.get("when", {})) for r in gone)
    return not demands or {"profiles", "lifecycle_acts"} <= listed

def less_people(group, was, is_):
    was, is_ = was or {}, is_ or {}
    if group == "principals.owner": return was == is_
    def same(n): return {k: v for k, v in was[n].items() if k != "profiles"} == {k: v for k, v in is_[n].items() if k != "profiles"}
    return fewer(was, is_) and all(same(n) and fewer(was[n].get("profiles", []), is_[n].get("profiles", [])) for n in is_)

def less_quotas(was, is_):
    new = {q["id"]: q for q in is_ or []}
    return all(q["id"] in new and {**q, "max": 0} == {**new[q["id"]], "max": 0} and new[q["id"]]["max"] <= q["max"] for q in was or [])

def difference(was, is_):
    """(fields that change, is it certain that they only take away)"""
    a, b = parts(was), parts(is_)
    fields = [f for f in ALL_FIELDS if a[f] != b[f]]
    listed = set(was.get("mutability", {})) if "mutability" in was else set(ALL_FIELDS)
    def less(f):
        if f.startswith("principals."): return less_people(f, a[f], b[f])
        if f in ("profiles", "vault_profiles"):
            return fewer(a[f] or {}, b[f] or {}) and all(b[f][n] == a[f][n] for n in b[f] or {})
        if f == "operations": return less_rules(a[f], b[f], listed if "mutability" in was else set())
        if f == "quotas": return less_quotas(a[f], b[f])
        if f == "staging": return b[f] is None or a[f] is not None and fewer(a[f]["by"], b[f]["by"])
        return False
    return fields, bool(fields) and all(f in listed and less(f) for f in fields)

# ---- What he tries --------------------------------------------------------------------------------

MINE = [("jws", key("77")), ("passkey", COSE[2][1], "vault.example", "mine", "https://vault.example"), ("oidc", "https://id.example", "mallory", (), (), NOON)]
FAKES = [by_key("77"), {**passkey(2, "mine")}, oidc("https://id.example", sub="mallory")]

def demands(x, path=()):
    """Paths of all approvals conditions."""
    if isinstance(x, dict):
        if "at_least" in x: yield path
        for k, v in x.items(): yield from demands(v, path + (k,))
    elif isinstance(x, list):
        for i, v in enumerate(x): yield from demands(v, path + (i,))

def edits(doc):
    """Pairs of a name and a function that changes a copy of the document."""
    def at(*path, **change):
        def edit(d):
            *way, last = path
            for step in way: d = d[step]
            if "to" in change: d[last] = change["to"]
            else: del d[last]
        return edit
    for g, ps in doc["principals"].items():
        for n in ps:
            yield f"remove {g}/{n}", at("principals", g, n)
            for i, fake in enumerate(FAKES): yield f"{g}/{n} becomes mine {i}", at("principals", g, n, to=fake)
    for g in GROUPS:
        for i, fake in enumerate(FAKES):
            yield f"add mine {i} to {g}", lambda d, g=g, fake=fake: d["principals"].setdefault(g, {}).update(mallory=fake)
    for path in demands(doc):
        where = "/".join(map(str, path))
        yield f"one approval less at {where}", lambda d, p=path: get(d, p).update(at_least=get(d, p)["at_least"] - 1)
        yield f"own approvals at {where}", lambda d, p=path: get(d, p).update(self=True)
        yield f"approvals of owners at {where}", lambda d, p=path: get(d, p).update(of=["owner/*"], at_least=1)
        yield f"many of one issuer at {where}", lambda d, p=path: get(d, p).update(per_issuer=16)
        yield f"no approvals at {where}", at(*path)
    for i, r in enumerate(doc["operations"]):
        yield f"remove rule {r['id']}", at("operations", i)
        yield f"rule {r['id']} for me", at("operations", i, "to", to=["owner/*"])
        yield f"rule {r['id']} for nobody", at("operations", i, "to", to=[])
        for what in ("allow", "deny"):
            if len(r.get(what, [])) > 1: yield f"fewer {what} in {r['id']}", at("operations", i, what, to=r[what][1:])
        if "when" in r: yield f"rule {r['id']} always", at("operations", i, "when")
        if "deny" in r: yield f"rule {r['id']} allows", at("operations", i, to={"id": r["id"], "allow": r["deny"], "to": ["*"]})
    yield "add a rule for me", lambda d: d["operations"].append({"id": "mine", "allow": ["sign", "export"], "to": ["owner/*"]})
    yield "add a rule with one approval", lambda d: d["operations"].append({"id": "mine", "allow": ["sign"], "to": ["owner/*"], "when": {"approvals": A1}})
    yield "add a deny rule", lambda d: d["operations"].append({"id": "no", "deny": ["export"], "to": ["*"]})
    for f in list(doc.get("mutability", {})):
        yield f"no entry for {f}", at("mutability", f)
        yield f"{f} by managers too", at("mutability", f, "by", to=["owner/*", "managers/*"])
    for f in ALL_FIELDS + ["narrow", "lifecycle_acts"]:
        if f not in doc.get("mutability", {}):
            yield f"{f} by the owner", lambda d, f=f: d.setdefault("mutability", {}).update({f: {"by": ["owner/*"]}})
            yield f"{f} guarded", lambda d, f=f: d.setdefault("mutability", {}).update({f: GUARDED})
    for f in ("mutability", "staging", "quotas", "owner_quorum", "lifecycle"):
        if f in doc: yield f"no {f}", at(f)
    yield "sealed", lambda d: d.setdefault("lifecycle", {}).update(sealed=True)
    yield "staged by me", lambda d: d.update(staging={"by": ["owner/*"]})
    for p in doc["profiles"]:
        yield f"remove profile {p}", at("profiles", p)
        yield f"remove profile {p} everywhere", lambda d, p=p: without_profile(d, p)
        yield f"profile {p} is mine", at("profiles", p, "measurements", to={"mrenclave": ["ee" * 32]})
    yield "add a profile", lambda d: d["profiles"].update(mine=profile("ee"))
    for i, q in enumerate(doc.get("quotas", [])):
        yield f"lower quota {q['id']}", at("quotas", i, "max", to=max(q["max"] // 2, 1))
        yield f"raise quota {q['id']}", at("quotas", i, "max", to=q["max"] * 2)
    yield "add a quota", lambda d: d.setdefault("quotas", []).append({"id": "more", "ops": ["sign"], "max": 1, "per": "1d", "by": "key"})

def get(d, path):
    for step in path: d = d[step]
    return d

def without_profile(d, p):
    d["profiles"].pop(p)
    for ps in d["principals"].values():
        for x in ps.values():
            if p in x.get("profiles", []): x["profiles"].remove(p)

def edited(doc, *changes):
    d = copy.deepcopy(doc)
    try:
        for edit in changes: edit(d)
    except (KeyError, IndexError): return None
    return d

# ---- What is allowed to him -----------------------------------------------------------------------

class Search:
    def __init__(self, driver, document):
        self.d, self.first = driver, document
        managers = document["principals"]["managers"]
        self.others = [signature(p) for p in managers.values()]
        self.me = document["principals"]["owner"]["me"]["spki_sha256"]
        self.ci = document["principals"]["clients"]["ci"]["spki_sha256"]
        self.wrong, self.asked, self.loaded = [], 0, None

    def load(self, doc):
        """Both loaders' answer."""
        text = json.dumps(doc, sort_keys=True)
        if self.loaded != text:
            good = self.d.load(doc).startswith("ok")
            if good != (not refusals(doc)): self.wrong.append(("loaders differ", sorted(refusals(doc)), doc))
            self.loaded, self.good = text, good
            self.compiled = Policy(doc, spki) if good else None
        return self.good

    def situations(self, op, others, changes=(), narrows=False):
        """He asks, or the client that he may have: with all that he can sign himself, and others' approvals."""
        own = tuple(full(x) for x in MINE + [("jws", self.me)])
        for client, requests in ((self.me, ()), (self.me, own), (self.ci, (full(("jws", self.me)),)), (self.ci, ())):
            yield dict(NOBODY, op=op, key=client, requests=requests, approvals=own + tuple(map(full, others)), changes=tuple(changes), narrows=narrows)

    def allowed(self, op, others=(), changes=(), narrows=False):
        cases = list(self.situations(op, others, changes, narrows))
        self.asked += len(cases)
        answers = self.d.ask([self.d.line(s) for s in cases])
        for s, a in zip(cases, answers):
            if (a[0] == "A") != (evaluate(self.compiled, s) == T): self.wrong.append(("evaluators differ", self.d.line(s)))
        return any(a[0] == "A" for a in answers)

    def need(self, op, **change):
        for k in range(len(self.others) + 1):
            if any(self.allowed(op, some, **change) for some in itertools.combinations(self.others, k)): return k
        return NEVER

    def needs(self):
        out = {op: self.need(op) for op in ACTS}
        out.update({f: self.need("update_policy", changes=(f,)) for f in ALL_FIELDS})
        return out

    def may_change(self, was, is_):
        """May he alone? Both must see the same difference."""
        if not self.load(was): return False
        told = self.d.ask(["C " + json.dumps(is_)])[0].split()
        if told[0] == "no": return False
        fields, narrows = difference(was, is_)
        c_fields = [f for i, f in enumerate(ALL_FIELDS) if int(told[1]) >> (i + 1) & 1]
        c_narrows = told[0] == "1"
        if sorted(c_fields) != sorted(fields) or c_narrows and not narrows:
            self.wrong.append(("differences differ", told, fields, narrows))
        return bool(c_fields) and self.allowed("update_policy", changes=c_fields, narrows=c_narrows)

    def steps(self, state, pairs):
        """States that he can reach at once."""
        doc, flags = json.loads(state[0]), dict(state[1])
        if not flags["frozen"] and not flags["deleted"]:
            some = list(edits(doc))
            for name, edit in some:
                new = edited(doc, edit)
                if new is not None and self.may_change(doc, new): yield name, new, flags
            for (n1, e1), (n2, e2) in pairs(some):
                new = edited(doc, e1, e2)
                if new is not None and self.may_change(doc, new): yield f"{n1} and {n2}", new, flags
            self.load(doc)
            if self.allowed("stage"): yield "stage", doc, {**flags, "staged": True}
            if flags["staged"] and self.allowed("revoke"): yield "revoke", doc, {**flags, "staged": False}
            if flags["staged"] and self.allowed("promote"):
                new = edited(doc, lambda d: (d["profiles"].update(mine=profile("ee")), d["principals"]["apps"]["builder"]["profiles"].append("mine")))
                if new is not None: yield "promote", new, {**flags, "staged": False}
            if self.allowed("retire"):
                for p in doc["profiles"]:
                    new = edited(doc, lambda d: without_profile(d, p))
                    if self.load(new): yield f"retire {p}", new, flags
        self.load(doc)
        for act, flag, value in (("freeze", "frozen", True), ("unfreeze", "frozen", False), ("delete", "deleted", True), ("restore", "deleted", False)):
            if flags[flag] != value and self.allowed(act): yield act, doc, {**flags, flag: value}

    def run(self, most, rng):
        """Breadth first. How many states, and the first way to where he needs less."""
        if not self.load(self.first): return 0, ["does not load"]
        before = self.needs()
        def freeze(doc, flags): return (json.dumps(doc, sort_keys=True), tuple(sorted(flags.items())))
        start = freeze(self.first, {"frozen": False, "staged": False, "deleted": False})
        way, queue = {start: []}, collections.deque([start])
        def pairs(some):
            every = list(itertools.combinations(some, 2))
            return rng.sample(every, min(len(every), most * 10 if len(way) == 1 else most // 10))
        while queue:
            state = queue.popleft()
            for name, doc, flags in list(self.steps(state, pairs)):
                new = freeze(doc, flags)
                if new in way or len(way) >= most: continue
                way[new] = way[state] + [name]
                self.load(doc)
                after = self.needs()
                easier = {a: (before[a], n) for a, n in after.items() if n < before[a]}
                if easier: return len(way), [way[new], easier]
                queue.append(new)
        return len(way), None

def signature(p):
    if p["kind"] == "passkey": return ("passkey", spki(p["public_key"]), p["rp_id"], "alice", p["origins"][0])
    if p["kind"] == "oidc": return ("oidc", p["issuer"], p["sub"], (), (), NOON)
    return ("jws", p["spki_sha256"])

def full(x): return x + (False, NOON) if x[0] == "oidc" else x + (NOON,)

# ---- Policies to begin with -----------------------------------------------------------------------

def with_third_manager(d): d["principals"]["managers"]["carol"] = by_key("34")
def with_everything_listed(d):
    for f in ALL_FIELDS:
        if f not in ("principals.owner", "owner_quorum", "mutability"): d["mutability"][f] = GUARDED
def without_acts(d): d["mutability"].pop("lifecycle_acts")
def with_more_demanded(d):
    with_third_manager(d)
    d["operations"][1]["when"]["all"][0]["approvals"]["at_least"] = 3
VARIANTS = {"the printed example": (), "three managers": (with_third_manager,), "every field listed": (with_third_manager, with_everything_listed),
            "acts not listed": (without_acts, with_more_demanded), "acts not listed, every field": (without_acts, with_more_demanded, with_everything_listed)}

def main():
    most = int(sys.argv[3]) if len(sys.argv) > 3 else 30
    driver, rng = Driver(sys.argv[1]), random.Random(2026)
    example = json.load(open(sys.argv[2]))
    example["principals"]["managers"]["alice"]["credential_id"] = b64u(b"alice")   # text, for the driver's lines
    failed = 0
    for i, (name, changes) in enumerate(VARIANTS.items(), 1):
        s = Search(driver, edited(example, *changes))
        states, found = s.run(most, rng)
        good = not found and not s.wrong and states > 1
        failed += not good
        print(f"{'ok' if good else 'not ok'} {i} - {name}: alone he never gets to need fewer approvals ({states} states, {s.asked} decisions)", flush=True)
        if found: print("# he does: " + json.dumps(found))
        for w in s.wrong[:3]: print("# " + json.dumps(w))
    print(f"1..{len(VARIANTS)}")
    sys.exit(1 if failed else 0)

main()
