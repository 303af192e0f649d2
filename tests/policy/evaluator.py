#!/usr/bin/env python3
"""A second evaluator, written from the text of the policy's rules and not from the C, and the
properties that every evaluator must have. Both are held against the C over many situations.

    evaluator.py DRIVER [SITUATIONS]
"""
import itertools, json, random, subprocess, sys, time
from datetime import datetime, timezone, timedelta

T, F, U = "T", "F", "U"
EVER = (-2**63, 2**63 - 1)

# ---- The evaluator: reads the JSON document itself ------------------------------------------------

def conj(values):
    values = list(values)
    return F if F in values else (T if all(v == T for v in values) else U)

def neg(v): return {T: F, F: T, U: U}[v]
def disj(values): return neg(conj(neg(v) for v in values))

def seconds(text):
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp())

DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

def day_set(text):
    out = set()
    for part in text.split(","):
        ends = [DAYS.index(x) for x in part.split("-")]
        out |= set(range(ends[0], ends[-1] + 1))
    return out

def quantified(possible, good):
    hits = [x in good for x in possible]
    return T if all(hits) else (U if any(hits) else F)

def time_value(args, now):
    """Each member by itself over all instants that `now` may be, then all of them together."""
    lo, hi = now if now[0] <= now[1] else EVER
    parts = []
    if "from" in args:
        at = seconds(args["from"])
        parts.append(T if lo >= at else F if hi < at else U)
    if "until" in args:
        at = seconds(args["until"])
        parts.append(T if hi < at else F if lo >= at else U)
    if "days" in args:
        span = range(lo // 86400, min(hi // 86400, lo // 86400 + 7) + 1)
        parts.append(quantified([(d + 3) % 7 for d in span], day_set(args["days"])))
    if "hours" in args:
        o, c = [int(x[:2]) * 60 + int(x[3:]) for x in args["hours"].split("-")]
        if hi - lo >= 86400:
            minutes = range(1440)
        else:
            minutes = {m % 1440 for m in range(lo // 60, hi // 60 + 1)}
        parts.append(quantified(minutes, range(o, c)))
    return conj(parts)

def condition(c, facts):
    (word, args), = c.items()
    if word == "all": return conj(condition(x, facts) for x in args)
    if word == "any": return disj(condition(x, facts) for x in args)
    if word == "not": return neg(condition(args, facts))
    if word == "time": return time_value(args, facts["now"])
    if word == "attested": return facts["profiles"].get(args["profile"], F)
    raise ValueError(word)

def named(policy, ref):
    """The principals that a reference names."""
    everyone = [f"{g}/{n}" for g, ps in policy["principals"].items() for n in ps]
    if ref == "*": return [x for x in everyone if not x.startswith("platforms/")]
    if ref.endswith("/*"): return [x for x in everyone if x.startswith(ref[:-1])]
    return [ref]

def to_value(policy, refs, facts):
    return disj([facts["who"].get(n, F) for r in refs for n in named(policy, r)] + [F])

def agree(policy, refs, facts, consent=()):
    """One that is no owner, or a quorum of owners."""
    names = sorted({n for r in refs for n in named(policy, r)})
    value = {n: T if n in consent else facts["who"].get(n, F) for n in names}
    owners = [n for n in names if n.startswith("owner/")]
    quorum = policy.get("owner_quorum", len(policy["principals"]["owner"]))
    sure = sum(value[n] == T for n in owners) >= quorum
    may = sum(value[n] != F for n in owners) >= quorum
    others = [value[n] for n in names if n not in owners]
    return disj(others + [T if sure else U if may else F])

KEPT = {"principals.owner", "owner_quorum", "mutability"}

def change(policy, facts, field):
    if field in policy.get("mutability", {}):
        return agree(policy, policy["mutability"][field]["by"], facts)
    if field in ("narrow", "lifecycle_acts"):
        return agree(policy, ["owner/*"], facts)
    sealed = policy.get("lifecycle", {}).get("sealed", False)
    if "mutability" in policy or sealed or field in KEPT:
        return F
    return agree(policy, ["owner/*"], facts)

RULED = {"update_policy": "changed", "promote": "profiles", "retire": "narrow", "revoke": "narrow",
         "freeze": "narrow", "unfreeze": "thaw", "delete": "lifecycle_acts",
         "restore": "lifecycle_acts", "destroy": "lifecycle_acts", "replicate": "vault_profiles",
         "hand_over": "vault_profiles", "stage": "staging",
         "create": "birth", "activate": "birth", "import": "birth", "receive": "birth"}

def evaluate(policy, facts):
    op = facts["op"]
    ruled = RULED.get(op, "operations")
    allowed = [F]
    if ruled == "birth": allowed.append(agree(policy, ["owner/*"], facts, facts["consent"]))
    elif ruled == "changed":
        allowed.append(conj(change(policy, facts, f) for f in facts["changes"]) if facts["changes"] else F)
    elif ruled == "thaw":
        by = policy.get("mutability", {}).get("profiles", {"by": ["owner/*"]})["by"]
        allowed.append(agree(policy, by, facts))
    elif ruled not in ("operations", "staging"): allowed.append(change(policy, facts, ruled))
    denied = [F]
    for rule in policy["operations"]:
        when = condition(rule["when"], facts) if "when" in rule else T
        if op in rule.get("allow", []): allowed.append(conj([to_value(policy, rule["to"], facts), when]))
        if op in rule.get("deny", []): denied.append(when)
    return conj([disj(allowed), neg(disj(denied))])

# ---- Policies and situations ----------------------------------------------------------------------

OPS = ["export", "describe", "read_policy", "audit"]
FIELDS = ["principals.owner", "principals.managers", "principals.apps", "owner_quorum", "profiles",
          "vault_profiles", "operations", "lifecycle", "mutability"]
GUARD_ORDER = ["principals.owner", "principals.managers", "principals.auditors", "principals.apps",
               "principals.clients", "principals.platforms", "owner_quorum", "profiles",
               "vault_profiles", "operations", "staging", "quotas", "lifecycle", "mutability",
               "lifecycle_acts", "narrow"]
NOON = seconds("2026-03-02T12:00:00Z")          # a Monday
NOWS = [EVER, (NOON, NOON), (NOON - 300, NOON + 300), (NOON + 5 * 86400, NOON + 5 * 86400 + 600),
        (NOON + 6 * 3600 - 300, NOON + 6 * 3600 + 299), (NOON + 6 * 3600, NOON + 6 * 3600),
        (NOON + 11 * 3600, NOON + 13 * 3600), (NOON - 3 * 86400, NOON + 2 * 86400),
        (NOON + 400 * 86400, NOON + 400 * 86400 + 60), (NOON, 2**63 - 1), (5, 4)]
REFS = ["*", "owner/*", "owner/me", "managers/*", "managers/ann", "apps/*", "apps/one", "apps/two",
        "clients/ci", "auditors/*"]

def random_time(rng):
    t = {}
    if rng.random() < .4: t["from"] = rng.choice(["2026-03-02T12:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"])
    if rng.random() < .4: t["until"] = rng.choice(["2026-03-02T12:05:00Z", "2027-04-01T00:00:00Z"])
    if rng.random() < .4: t["days"] = rng.choice(["mon-fri", "sat,sun", "tue", "mon,wed-sun"])
    if rng.random() < .4 or not t: t["hours"] = rng.choice(["08:00-18:00", "00:00-24:00", "12:00-12:05", "00:30-01:00"])
    return t if not ("from" in t and "until" in t and seconds(t["from"]) >= seconds(t["until"])) else {"days": "mon"}

def random_condition(rng, plain, depth=3):
    kinds = ["time", "time"] + (["attested", "attested"] if plain else [])
    if depth > 0: kinds += ["all", "any", "not"]
    kind = rng.choice(kinds)
    if kind == "time": return {"time": random_time(rng)}
    if kind == "attested": return {"attested": {"profile": rng.choice(["p", "q"])}}
    if kind == "not": return {"not": random_condition(rng, False, depth - 1)}
    return {kind: [random_condition(rng, plain, depth - 1) for _ in range(rng.randint(1, 3))]}

def profile(byte):
    return {"tee": "sim-sgx", "measurements": {"mrenclave": [byte * 32]}, "platforms": "any"}

def random_policy(rng):
    key = lambda b: {"kind": "key", "spki_sha256": b * 32}
    owners = {"me": key("11"), "you": key("22")} if rng.random() < .5 else {"me": key("11")}
    p = {"pleiad_policy": 1, "salt": "A" * 22,
         "principals": {"owner": owners, "managers": {"ann": key("33")}, "auditors": {},
                        "apps": {"one": {"kind": "tee", "profiles": ["p"]},
                                 "two": {"kind": "tee", "profiles": ["p", "q"]}},
                        "clients": {"ci": key("44")}},
         "profiles": {"p": profile("aa"), "q": profile("bb")}, "operations": []}
    if rng.random() < .6: p["owner_quorum"] = rng.randint(1, len(owners))
    for i in range(rng.randint(1, 5)):
        deny = rng.random() < .35
        rule = {"id": f"r{i}", "deny" if deny else "allow": rng.sample(OPS, rng.randint(1, 3)),
                "to": ["*"] if deny else rng.sample(REFS, rng.randint(0, 3))}
        if deny and rng.random() < .3: rule["deny"] = rule["deny"] + rng.sample(["delete", "create", "freeze", "promote"], 2)
        if rng.random() < .75: rule["when"] = random_condition(rng, not deny)
        p["operations"].append(rule)
    if rng.random() < .6:
        by = rng.choice([["owner/*"], ["owner/*", "managers/*"], ["managers/ann", "apps/one"]])
        p["mutability"] = {f: {"by": by} for f in rng.sample(FIELDS, rng.randint(1, 5))}
        if rng.random() < .5: p["mutability"]["narrow"] = {"by": rng.choice([["managers/*", "owner/*"], ["apps/*"], []])}
        if rng.random() < .5: p["mutability"]["lifecycle_acts"] = {"by": ["owner/*"]}
    if rng.random() < .2:
        p["lifecycle"] = {"sealed": True}
        for f in FIELDS: p.get("mutability", {}).pop(f, None)
    return p

KEYS = ["owner/me", "owner/you", "managers/ann", "clients/ci"]

def situations(rng, policy, how_many):
    """Facts that can be: keys match or do not; tee principals follow from the profiles."""
    every = list(itertools.product([F, U, T], [F, U, T], *[[F, T]] * len(KEYS), NOWS))
    for p, q, *rest in rng.sample(every, min(how_many, len(every))):
        *keys, now = rest
        who = {n: v for n, v in zip(KEYS, keys) if n.split("/")[1] in policy["principals"][n.split("/")[0]]}
        who["apps/one"], who["apps/two"] = p, disj([p, q])
        op = rng.choice(OPS * 4 + ["create", "activate", "delete", "freeze", "unfreeze", "promote",
                                   "update_policy", "hand_over", "stage", "restore", "revoke"])
        consent = [n for n in who if n.startswith("owner/") and rng.random() < .3]
        changes = rng.sample(FIELDS, rng.randint(0, 2)) if op == "update_policy" else []
        yield {"op": op, "now": now, "who": who, "profiles": {"p": p, "q": q},
               "consent": consent, "changes": changes}

class Driver:
    def __init__(self, path):
        self.p = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    def ask(self, lines):
        # A chunk that fits the pipe at a time, so that neither side waits for the other.
        out = []
        for i in range(0, len(lines), 200):
            self.p.stdin.write("".join(line + "\n" for line in lines[i:i + 200]) + ".\n")
            self.p.stdin.flush()
            for _ in lines[i:i + 200]:
                answer = self.p.stdout.readline()
                if not answer: sys.exit(f"Bail out! driver ended with {self.p.wait()}")
                out.append(answer.rstrip("\n"))
        return out
    def load(self, policy):
        answer = self.ask(["P " + json.dumps(policy)])[0]
        self.order = None
        if answer.startswith("ok"):
            who, profiles = answer[3:].split("|")
            self.order = {n: i for i, n in enumerate(who.split())}, {n: i for i, n in enumerate(profiles.split())}
        return answer
    def line(self, f):
        who, profiles = self.order
        mask = lambda names, order: sum(1 << order[n] for n in names)
        pick = lambda d, v: [n for n in d if d[n] == v]
        return "F %s %d %d %d %d %d %d %d %d" % (
            f["op"], *f["now"], mask(pick(f["who"], T), who), mask(pick(f["who"], U), who),
            mask(f["consent"], who), mask(pick(f["profiles"], T), profiles),
            mask(pick(f["profiles"], U), profiles),
            sum(2 << GUARD_ORDER.index(x) for x in f["changes"]))

# ---- Properties -----------------------------------------------------------------------------------

def less(facts):
    """The same facts with something taken away: never allows what was refused."""
    for n, v in facts["who"].items():
        if v != F and not n.startswith("apps/"): yield {**facts, "who": {**facts["who"], n: F}}
    for n in facts["consent"]: yield {**facts, "consent": [m for m in facts["consent"] if m != n]}
    for p, v in facts["profiles"].items():
        for w in {T: [U, F], U: [F], F: []}[v]:
            prof = {**facts["profiles"], p: w}
            yield {**facts, "profiles": prof, "who": {**facts["who"], "apps/one": prof["p"], "apps/two": disj(prof.values())}}

def clearer(facts):
    """The same facts, known better: what was allowed stays allowed."""
    lo, hi = facts["now"] if facts["now"][0] <= facts["now"][1] else EVER
    for t in (NOON - 86400, NOON, NOON + 7 * 3600, NOON + 6 * 86400, lo, hi):
        if lo <= t <= hi: yield {**facts, "now": (t, t)}
    for p, v in facts["profiles"].items():
        for w in [T, F] if v == U else []:
            prof = {**facts["profiles"], p: w}
            yield {**facts, "profiles": prof, "who": {**facts["who"], "apps/one": prof["p"], "apps/two": disj(prof.values())}}

def main():
    total = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    rng, d, started = random.Random(2026), Driver(sys.argv[1]), time.time()
    seen = allowed = refused_loads = 0
    bad = {"agrees": [], "less": [], "clearer": [], "order": []}
    checked = dict.fromkeys(bad, 0)
    while seen < total:
        policy = random_policy(rng)
        answer = d.load(policy)
        if d.order is None:
            if "POLICY_UNUSABLE" not in answer and "POLICY_WEAK" not in answer:
                bad["agrees"].append((policy, answer))
                break
            refused_loads += 1
            continue
        cases = list(situations(rng, policy, 400))
        answers = d.ask([d.line(f) for f in cases])
        for f, a in zip(cases, answers):
            seen += 1
            want = evaluate(policy, f)
            allowed += want == T
            if a[1] != want or (a[0] == "A") != (want == T): bad["agrees"].append((policy, f, a, want))
        checked["agrees"] = seen
        sample = rng.sample(list(zip(cases, answers)), 12)
        for name, of in (("less", less), ("clearer", clearer)):
            pairs = [(f, a, g) for f, a in sample for g in of(f)]
            for (f, a, g), b in zip(pairs, d.ask([d.line(g) for _, _, g in pairs])):
                checked[name] += 1
                if (a[0] == "D" and b[0] == "A") if name == "less" else (a[0] == "A" and b[0] == "D"):
                    bad[name].append((policy, f, g, a, b))
        rng.shuffle(policy["operations"])
        d.load(policy)
        for (f, a), b in zip(sample, d.ask([d.line(f) for f, _ in sample])):
            checked["order"] += 1
            if a[:2] != b[:2]: bad["order"].append((policy, f, a, b))
    tests = [("the second evaluator agrees", "agrees"),
             ("taking away a principal, consent or evidence never allows", "less"),
             ("knowing more never refuses what was allowed", "clearer"),
             ("the order of rules does not matter", "order")]
    for i, (text, name) in enumerate(tests, 1):
        good = not bad[name] and checked[name] > 0
        print(f"{'ok' if good else 'not ok'} {i} - {text} ({checked[name]} situations)")
        for one in bad[name][:2]: print("# " + json.dumps(one))
    enough = seen // 50 < allowed < seen // 2
    print(f"{'ok' if enough else 'not ok'} 5 - both answers are common ({allowed} of {seen} allowed, {refused_loads} policies refused)")
    print(f"1..5\n# {time.time() - started:.1f} s")
    sys.exit(0 if enough and not any(bad.values()) else 1)

main()
