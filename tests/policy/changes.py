#!/usr/bin/env python3
"""What one policy changes about another: pairs whose differences are known, and the property that
nothing which counts as only taking away ever allows what was denied.

    changes.py DRIVER [POLICIES]"""
import copy, json, random, sys
from engine import Driver, GUARD_ORDER
from evaluator import EVERYBODY, probe
from world import Maker, key, known, profile, random_situation

# ---- Pairs ----------------------------------------------------------------------------------------

GUARD = {"by": ["owner/*"]}
BASE = {
    "pleiad_policy": 1, "salt": "A" * 22,
    "principals": {"owner": {"me": {"kind": "key", "spki_sha256": key("11")}, "you": {"kind": "key", "spki_sha256": key("22")}},
                   "managers": {"ann": {"kind": "key", "spki_sha256": key("33")}, "bea": {"kind": "key", "spki_sha256": key("34")}},
                   "apps": {"one": {"kind": "tee", "profiles": ["p", "q"]}},
                   "clients": {"ci": {"kind": "key", "spki_sha256": key("44")}}},
    "owner_quorum": 1,
    "profiles": {"p": profile("aa"), "q": profile("bb"), "r": profile("cc")},
    "operations": [
        {"id": "use", "allow": ["export", "describe"], "to": ["apps/one", "clients/ci"]},
        {"id": "look", "allow": ["describe", "audit"], "to": ["managers/*"],
         "when": {"time": {"from": "2026-01-01T00:00:00Z"}}},
        {"id": "end", "deny": ["export"], "to": ["*"], "when": {"time": {"from": "2030-01-01T00:00:00Z"}}}],
    "lifecycle": {"expires": "2031-01-01T00:00:00Z", "recoverable": True},
    "mutability": {f: GUARD for f in ("principals.owner", "principals.managers", "principals.apps", "principals.clients",
                                      "owner_quorum", "profiles", "operations", "lifecycle", "mutability")}}

def put(path, value):
    """An edit: the member at this path becomes this value, or goes (None), or is made by a function."""
    def edit(p):
        *up, last = path
        for step in up: p = p[step]
        if callable(value): value(p[last])
        elif value is not None: p[last] = value
        elif isinstance(p, list): p.pop(last)
        else: p.pop(last)
    return edit

OPS, PR = "operations", "principals"
# name: (edit, the differences in the driver's words)
PAIRS = {
    "nothing": (lambda p: None, ""),
    "the salt": (put(["salt"], "B" * 21 + "A"), ""),
    "the order of rules": (put([OPS], lambda r: r.reverse()), ""),
    "an empty group": (put([PR, "auditors"], {}), ""),
    "a manager less": (put([PR, "managers", "bea"], None), "-/principals/managers/bea"),
    "a manager more": (put([PR, "managers", "cem"], {"kind": "key", "spki_sha256": key("35")}), "+/principals/managers/cem"),
    "another key of a manager": (put([PR, "managers", "ann", "spki_sha256"], key("36")), "+/principals/managers/ann/spki_sha256"),
    "an owner less": (put([PR, "owner", "you"], None), "+/principals/owner/you"),
    "an app's profile less": (put([PR, "apps", "one", "profiles"], ["p"]), "-/principals/apps/one/profiles"),
    "an app's profile more": (put([PR, "apps", "one", "profiles"], ["p", "q", "r"]), "+/principals/apps/one/profiles"),
    "an app's other profile": (put([PR, "apps", "one", "profiles"], ["r"]), "+/principals/apps/one/profiles"),
    "a profile less": (put(["profiles", "r"], None), "-/profiles/r"),
    "a profile more": (put(["profiles", "s"], profile("dd")), "+/profiles/s"),
    "a profile altered": (put(["profiles", "p"], profile("dd")), "+/profiles/p"),
    "a rule less": (put([OPS, 0], None), "-/operations/use"),
    "a rule more": (put([OPS], lambda r: r.append({"id": "more", "allow": ["export"], "to": ["clients/ci"]})), "+/operations/more"),
    "a deny rule less": (put([OPS, 2], None), "+/operations/end"),
    "a deny rule more": (put([OPS], lambda r: r.append({"id": "no", "deny": ["audit"], "to": ["*"]})), "+/operations/no"),
    "a deny rule turned into an allow": (put([OPS, 2], {"id": "end", "allow": ["export"], "to": ["*"]}),
                                         "+/operations/end/deny +/operations/end/when +/operations/end/allow"),
    "fewer operations": (put([OPS, 0, "allow"], ["export"]), "-/operations/use/allow"),
    "more operations": (put([OPS, 0, "allow"], ["export", "describe", "audit"]), "+/operations/use/allow"),
    "operations in another order": (put([OPS, 0, "allow"], ["describe", "export"]), "-/operations/use/allow"),
    "a deny of less": (put([OPS, 2, "deny"], ["audit"]), "+/operations/end/deny"),
    "fewer who may": (put([OPS, 0, "to"], ["apps/one"]), "-/operations/use/to"),
    "somebody else may": (put([OPS, 0, "to"], ["managers/ann"]), "+/operations/use/to"),
    "a condition less": (put([OPS, 1, "when"], None), "+/operations/look/when"),
    "a condition more": (put([OPS, 0, "when"], {"time": {"days": "mon-fri"}}), "+/operations/use/when"),
    "another condition": (put([OPS, 1, "when", "time", "from"], "2027-01-01T00:00:00Z"), "+/operations/look/when"),
    "ends sooner": (put(["lifecycle", "expires"], "2030-01-01T00:00:00Z"), "-/lifecycle/expires"),
    "ends later": (put(["lifecycle", "expires"], "2032-01-01T00:00:00Z"), "+/lifecycle/expires"),
    "never ends": (put(["lifecycle", "expires"], "never"), "+/lifecycle/expires"),
    "in no backup": (put(["lifecycle", "recoverable"], False), "-/lifecycle/recoverable"),
    "a higher quorum": (put(["owner_quorum"], 2), "+/owner_quorum"),
    "no quorum written": (put(["owner_quorum"], None), "+/owner_quorum"),
    "a guard": (put(["mutability", "narrow"], {"by": ["managers/*"]}), "+/mutability"),
    "two at once": (lambda p: (p[PR]["managers"].pop("bea"), p["profiles"].pop("r")), "-/principals/managers/bea -/profiles/r"),
    "one of each": (lambda p: (p[PR]["managers"].pop("bea"), p["profiles"].update(s=profile("dd"))),
                    "-/principals/managers/bea +/profiles/s"),
}
QUOTA = {"id": "q", "ops": ["export"], "max": 5, "per": "1h", "by": "key"}
LATER = {   # of pieces that a build may lack: the base gets the first part before
    "a quota more": ("quotas", {}, put(["quotas"], [QUOTA]), "-/quotas/q"),
    "a quota less": ("quotas", {"quotas": [QUOTA]}, put(["quotas"], []), "+/quotas/q"),
    "fewer uses": ("quotas", {"quotas": [QUOTA]}, put(["quotas", 0, "max"], 4), "-/quotas/q/max"),
    "more uses": ("quotas", {"quotas": [QUOTA]}, put(["quotas", 0, "max"], 6), "+/quotas/q/max"),
    "a quota of a day": ("quotas", {"quotas": [QUOTA]}, put(["quotas", 0, "per"], "1d"), "+/quotas/q/per"),
    "nobody stages": ("staging", {"staging": {"by": ["owner/*"]}}, put(["staging"], None), "-/staging"),
    "fewer stage": ("staging", {"staging": {"by": ["owner/*", "managers/ann"]}}, put(["staging", "by"], ["owner/*"]), "-/staging/by"),
    "somebody stages": ("staging", {}, put(["staging"], {"by": ["owner/*"]}), "+/staging"),
}

def field(pointer):
    parts = pointer[2:].split("/")
    return ".".join(parts[:2]) if parts[0] == PR else parts[0]

def pair(driver, base, edit, want):
    """None, or what is wrong."""
    is_ = copy.deepcopy(base)
    edit(is_)
    if not driver.load(base).startswith("ok"): return "the base does not load: " + driver.load(base)
    answer = driver.ask(["C " + json.dumps(is_)])[0].split()
    told = want.split()
    mask = sum({1 << 1 + GUARD_ORDER.index(field(t)) for t in told})
    narrows = str(int(bool(told) and all(t[0] == "-" for t in told)))
    return None if answer == [narrows, str(mask)] + told else f"{answer}, wanted {narrows} {mask} {told}"

# ---- The property ---------------------------------------------------------------------------------

def some(rng, items): return rng.sample(items, rng.randint(0, max(len(items) - 1, 0)))

def less(rng, p):
    """Takes something away, or seems to."""
    at = rng.choice([OPS, OPS, OPS, PR, PR, "profiles", "quotas", "staging", "max", "owner_quorum", "mutability"])
    rules = p[OPS]
    if at == OPS and rules:
        i = rng.randrange(len(rules))
        what = rng.choice(["rule", "to", "allow", "deny", "when"])
        if what == "rule": rules.pop(i)
        elif what == "when": rules[i].pop("when", None)
        elif what in rules[i]: rules[i][what] = some(rng, rules[i][what])
    elif at == PR:
        group = p[PR][rng.choice(list(p[PR]))]
        if group:
            name = rng.choice(list(group))
            if group[name]["kind"] == "tee" and rng.random() < .5: group[name]["profiles"] = some(rng, group[name]["profiles"])
            else: group.pop(name)
    elif at == "profiles" and p["profiles"]: p["profiles"].pop(rng.choice(list(p["profiles"])))
    elif at == "quotas" and p.get("quotas"): p["quotas"].pop()
    elif at == "max" and p.get("quotas"): p["quotas"][0]["max"] = rng.randint(1, 9)
    elif at == "staging" and "staging" in p:
        if rng.random() < .5: p.pop("staging")
        else: p["staging"]["by"] = some(rng, p["staging"]["by"])
    elif at == "owner_quorum": p.pop("owner_quorum", None)
    elif at == "mutability" and p.get("mutability"): p["mutability"].pop(rng.choice(list(p["mutability"])))

def property(driver, maker, policies):
    rng, bad, seen, narrow, widen = maker.rng, [], 0, 0, 0
    for _ in range(policies):
        was = maker.policy()
        if not driver.load(was).startswith("ok"): continue
        if "mutability" in was and rng.random() < .7:   # more that may be narrowed
            first = next((g for f, g in was["mutability"].items() if f not in ("narrow", "lifecycle_acts")), None)
            if first: was["mutability"].update({f: first for f in ("profiles", OPS, "principals.managers", "principals.apps", "principals.clients")})
            if not driver.load(was).startswith("ok"): continue
        cases = [random_situation(rng, was, known(was, EVERYBODY)) for _ in range(60)]
        cases += [{**s, "op": op} for s in cases[:12] for op in ("delete", "unfreeze", "promote")]
        lines = [driver.line(s) for s in cases]
        before, changed = driver.ask(lines), []
        for _ in range(6):
            is_ = copy.deepcopy(was)
            for _ in range(rng.randint(1, 3)): less(rng, is_)
            answer = driver.ask(["C " + json.dumps(is_)])[0]
            narrow += answer[0] == "1"
            widen += answer.startswith("0 ") and not answer.startswith("0 0")
            if answer[0] == "1": changed.append((is_, answer))
        for is_, answer in changed:
            # A quota's rooms stand by place in a line, principals by bit: rooms are left out where
            # they moved.
            if not driver.load(is_).startswith("ok"): bad.append((is_, "does not load"))
            names = {q["id"] for q in is_.get("quotas", [])}
            now = [{**s, "room": {q: {n: v for n, v in of.items() if n == "*" or n in driver.order} for q, of in s["room"].items() if q in names}} for s in cases]
            for s, a, b in zip(cases, before, driver.ask([driver.line(s) for s in now])):
                seen += 1
                if a[0] == "D" and b[0] == "A": bad.append((was, is_, answer, s, a, b))
    return bad, seen, narrow, widen

def main():
    driver = Driver(sys.argv[1])
    pieces, _ = probe(driver)
    number = failed = 0
    def say(why, text):
        nonlocal number, failed
        number, failed = number + 1, failed + bool(why)
        print(f"{'not ok' if why else 'ok'} {number} - {text}" + (f"\n# {why}" if why else ""))
    for name, (edit, want) in PAIRS.items(): say(pair(driver, BASE, edit, want), name)
    for name, (piece, more, edit, want) in LATER.items():
        base = {**BASE, **more, "mutability": {**BASE["mutability"], "quotas": GUARD, "staging": GUARD}}
        if piece in pieces: say(pair(driver, base, edit, want), name)
    unlisted = {**BASE, "mutability": {"operations": GUARD, "narrow": {"by": ["managers/*"]}}}
    def narrows(base, edit):
        is_ = copy.deepcopy(base)
        edit(is_)
        said = driver.load(base)
        return driver.ask(["C " + json.dumps(is_)])[0][0] == "1" if said.startswith("ok") else said
    say(narrows(unlisted, PAIRS["a rule less"][0]) is not True, "what is listed may be narrowed")
    say(narrows(unlisted, PAIRS["a manager less"][0]) is not False, "what is not listed may not")
    if "guard" in pieces:
        demand = {"approvals": {"of": ["managers/*"], "at_least": 2, "fresh_for": "5m"}}
        strict = copy.deepcopy(BASE)
        strict[OPS].append({"id": "strict", "allow": ["audit"], "to": ["clients/ci"], "when": demand})
        gone = lambda p: p[OPS].pop()
        say(narrows(strict, gone) is not False, "a rule whose demand for approvals guards what is not listed is not simply less")
        strict["mutability"]["lifecycle_acts"] = GUARD
        say(narrows(strict, gone) is not True, "where acts have guards of their own it is")
    bad, seen, narrow, widen = property(driver, Maker(random.Random(7), pieces), int(sys.argv[2]) if len(sys.argv) > 2 else 400)
    say([json.dumps(b) for b in bad[:2]] if bad else not seen, f"what only takes away never allows what was denied ({seen} situations)")
    say(not (narrow > 50 and widen > 50), f"both kinds are common ({narrow} take away, {widen} do not)")
    print(f"1..{number}")
    sys.exit(1 if failed else 0)

main()
