#!/usr/bin/env python3
"""A second evaluator (model.py, loads.py), written from the text of the policy's rules and not from
the C, and the properties that every evaluator must have. Both are held against the C over many
situations (world.py).

    evaluator.py DRIVER [SITUATIONS] [--record FILE]

--record writes what was asked and what the second evaluator answers, for ci/mutate.py."""
import itertools, json, os, random, sys, time
import loads
from engine import Driver
from model import EVER, F, LETTERS, Facts, Policy, T, U, Window, authenticator, evaluate
from world import (NOON, PEOPLE, Maker, b64u, dated, enumerated, known, moment, random_situation, signers, signers_of, spki)

# ---- Properties: each yields changed situations, and says which answers may not follow -----------

EVERYBODY = signers(0)

def without(items, i): return items[:i] + items[i + 1:]

def withheld(rng, policy, s):
    """Something taken away never allows. (Whoever approves what he asks for himself and then does
    not ask for it is another situation: now he approves what somebody else asks for.)"""
    approvers = {authenticator(x) for x in s["approvals"]}
    if s["key"] and ("key", s["key"]) not in approvers: yield {**s, "key": None, "ca": (), "san": ()}
    if s["ca"]: yield {**s, "ca": (), "san": ()}
    for i, x in enumerate(s["requests"]):
        if authenticator(x) not in approvers: yield {**s, "requests": without(s["requests"], i)}
    t = s["token"]
    if t:
        if authenticator(t) not in approvers: yield {**s, "token": None}
        for r in t[3]: yield {**s, "token": t[:3] + (tuple(x for x in t[3] if x != r),) + t[4:]}
        if not t[6]: yield {**s, "token": t[:6] + (True,) + t[7:]}
    if s["claims"]: yield {**s, "claims": None}
    for i in range(len(s["approvals"])): yield {**s, "approvals": without(s["approvals"], i)}
    for i in range(len(s["consents"])): yield {**s, "consents": without(s["consents"], i)}

def approved(rng, policy, s):
    """One more approval never refuses."""
    more = known(policy, EVERYBODY) + EVERYBODY[:3]
    for _ in range(3):
        yield {**s, "approvals": s["approvals"] + (dated(rng.choice(more), moment(rng, s["now"]), rng),)}
    fresh = tuple(x[:-1] + (s["now"][1],) for x in more)
    yield {**s, "approvals": (s["approvals"] + fresh)[:16]}
    for x in s["requests"][:1]: yield {**s, "approvals": s["approvals"] + (x,)}

def clearer(rng, policy, s):
    """Something known better never refuses: an unknown neither allowed nor disarmed a deny."""
    lo, hi = s["now"] if s["now"][0] <= s["now"][1] else EVER
    for t in (NOON - 86400, NOON, NOON + 7 * 3600, NOON + 6 * 86400, lo, hi):
        if lo <= t <= hi: yield {**s, "now": (t, t)}
    vendor, labels = s["vault"] or (None, None)
    if vendor is None:
        for v in ("intel", "amd"): yield {**s, "vault": (v, labels)}
    if labels is None:
        for many in ((), ("site=a",), ("site=b",), ("site=a", "site=b")): yield {**s, "vault": (vendor, many)}
    for q, of in s["room"].items():
        for n, v in of.items():
            for w in (T, F) if v == U else (): yield {**s, "room": {**s["room"], q: {**of, n: w}}}

def fuller(rng, policy, s):
    """Less room, for some or for all, never allows."""
    for q, of in s["room"].items():
        yield {**s, "room": {**s["room"], q: dict.fromkeys(of, F)}}
        for n in of: yield {**s, "room": {**s["room"], q: {**of, n: F}}}

def used_up(rng, policy, s):
    """The same when some principals have used up what they may."""
    if not s["room"]: return
    people = Policy(policy, spki)
    s = {**s, "op": rng.choice(policy["quotas"][0]["ops"])}
    able = [n for n, v in Facts(people, s).who.items() if v == T]
    for some in (able, able[:1], able[-1:]):
        yield {**s, "room": {q: {n: F if n in some else v for n, v in of.items()} for q, of in s["room"].items()}}

# name: (what is tested, changed situations, the answer that must not turn into the other)
PROPERTIES = {
    "withheld": ("taking away a principal, request, token, role, evidence, approval or consent never allows", withheld, "D"),
    "clearer": ("knowing more never refuses what was allowed", clearer, "A"),
    "approved": ("one more approval never refuses", approved, "A"),
    "fuller": ("less room in a quota never allows", fuller, "D"),
    "quota": ("hiding oneself never helps against a quota", withheld, "D"),
}

# ---- What this build has --------------------------------------------------------------------------

def probe(driver):
    """The pieces that the C does not refuse by name."""
    key = PEOPLE["owner/me"][1]
    def refused(group="clients", principal=None, rule={}, **more):
        p = {"pleiad_policy": 1, "salt": "A" * 22, "principals": {"owner": {"me": key}, "managers": {"m": PEOPLE["managers/ann"][1]}},
             "operations": [{"id": "a", "allow": ["export"], "to": ["owner/me"], **rule}], **more}
        if principal: p["principals"][group] = {"x": principal}
        return driver.load(p).startswith("no POLICY_BUILD")
    a = {"of": ["managers/*"], "at_least": 1, "fresh_for": "5m"}
    when = lambda c: {"rule": {"when": c}}
    tests = {
        "passkey": {"principal": PEOPLE["managers/pat"][1]}, "oidc": {"principal": PEOPLE["managers/olga"][1]},
        "ca": {"principal": PEOPLE["clients/fleet"][1]}, "approvals": when({"approvals": a}),
        "role": when({"role": {"of": ["managers"]}}), "step_up": when({"step_up": {"fresh_for": "5m"}}),
        "vault": when({"vault": {"vendor": "intel"}}), "staging": {"staging": {"by": ["owner/*"]}},
        "quotas": {"quotas": [{"id": "q", "ops": ["export"], "max": 1, "per": "1h", "by": "key"}]},
        "guard": {"mutability": {"profiles": {"by": ["owner/*"], "approvals": a}}},
    }
    pieces = {n for n, t in tests.items() if not refused(**t)}
    # A build that reads no COSE keys takes anything for one.
    refused(principal={**PEOPLE["managers/pat"][1], "public_key": "AAAA"})
    return pieces - ({"passkey"} if driver.order else set()), sorted(tests)

# ---- The run --------------------------------------------------------------------------------------

class Run:
    def __init__(self, driver, rng, record=None):
        self.d, self.rng, self.record = driver, rng, record
        self.seen = self.allowed = self.unknown = self.refused = 0
        self.bad = {n: [] for n in ("agrees", "order", "removed", "windows", *PROPERTIES)}
        self.checked = dict.fromkeys(self.bad, 0)

    def write(self, line, want):
        if self.record: self.record.write(f"{line}\t{want}\n")

    def load(self, policy):
        answer, why = self.d.load(policy), loads.refusals(policy)
        self.refused += bool(why)
        if (not why) != (self.d.order is not None) or (why and answer.split()[1] not in why):
            self.bad["agrees"].append((policy, answer, sorted(why)))
            return False
        self.write("P " + json.dumps(policy), " ".join(answer.split(" ")[:3]) if why else answer)
        return not why

    def agree(self, policy, cases):
        compiled = Policy(policy, spki)
        lines = [self.d.line(s) for s in cases]
        answers = self.d.ask(lines)
        for s, line, a in zip(cases, lines, answers):
            value, charged = evaluate(compiled, s, self.d.order)
            want = f"{'A' if value == T else 'D'}{LETTERS[value]} {charged} "
            self.allowed += value == T
            self.unknown += value == U
            self.write(line, want)
            if not a.startswith(want): self.bad["agrees"].append((policy, line, a, want))
        self.seen += len(cases)
        self.checked["agrees"] += len(cases)
        return answers

    def properties(self, policy, sample):
        for name, (_, change, kept) in PROPERTIES.items():
            if name == "quota":
                sample = [t for s, _ in sample for t in used_up(self.rng, policy, s)]
                sample = list(zip(sample, self.d.ask([self.d.line(s) for s in sample])))
            pairs = [(s, a, t) for s, a in sample for t in change(self.rng, policy, s) if a[0] == kept]
            for (s, a, t), b in zip(pairs, self.d.ask([self.d.line(t) for _, _, t in pairs])):
                self.checked[name] += 1
                if b[0] != kept: self.bad[name].append((policy, s, t, a, b))

    def removed(self, policy, sample):
        """The same policy without one of its people never allows what it refused."""
        people = [(g, n) for g, ps in policy["principals"].items() for n in ps]
        group, name = self.rng.choice(people)
        less = json.loads(json.dumps(policy))
        del less["principals"][group][name]
        if group == "owner" and "owner_quorum" not in policy or not less["principals"]["owner"]: return
        def strike(x):
            if isinstance(x, dict): return {k: strike(v) for k, v in x.items()}
            return [strike(v) for v in x if v != f"{group}/{name}"] if isinstance(x, list) else x
        less = strike(less)
        if loads.refusals(less) or not self.load(less): return
        cases = [{**s, "room": {q: {n: v for n, v in of.items() if n != f"{group}/{name}"} for q, of in s["room"].items()}} for s, _ in sample]
        for s, (_, a), b in zip(cases, sample, self.d.ask([self.d.line(s) for s in cases])):
            self.checked["removed"] += 1
            if a[0] == "D" and b[0] == "A": self.bad["removed"].append((policy, less, s, a, b))

    def order(self, policy, sample):
        turned = {**policy, "operations": self.rng.sample(policy["operations"], len(policy["operations"]))}
        if not self.load(turned): return
        for (s, a), b in zip(sample, self.d.ask([self.d.line(s) for s, _ in sample])):
            self.checked["order"] += 1
            if a[:2] != b[:2]: self.bad["order"].append((policy, s, a, b))

    def generated(self, maker, total):
        tries = 0
        while self.seen < total and tries < total:
            policy, tries = maker.policy(), tries + 1
            if not self.load(policy): continue
            friends = known(policy, EVERYBODY)
            cases = [random_situation(self.rng, policy, friends) for _ in range(250)]
            answers = self.agree(policy, cases)
            # As many that were allowed as that were not.
            sides = [[x for x in zip(cases, answers) if (x[1][0] == "A") == allowed] for allowed in (False, True)]
            sample = [x for side in sides for x in self.rng.sample(side, min(len(side), 5))]
            self.properties(policy, sample)
            self.order(policy, sample)
            self.removed(policy, self.rng.sample(list(zip(cases, answers)), 40))

    def windows(self, how_many):
        """Quotas by themselves: uses at known and unknown times."""
        def moment(at):
            return self.rng.choice([(at, at), (at - 5, at), (at, at + 5), (at - 60, at + 60), EVER, (at, EVER[1]), (EVER[0], at), (at + 1, at)])
        for _ in range(how_many):
            most, per, at = self.rng.choice([1, 1, 2, 3, 2**32 - 1]), self.rng.choice([1, 5, 60, 366 * 86400]), NOON
            times = []
            for _ in range(self.rng.randint(1, 12)):
                at += self.rng.choice([0, 1, 4, 5, 6, 55, 60, 61, 366 * 86400])
                times.append(moment(at))
            w, want = Window(most, per), ""
            for now in times:
                want += LETTERS[w.room(now)]
                if want[-1] == "T": w.use(now)
            line = f"Q {most} {per} " + " ".join("%d,%d" % t for t in times)
            self.write(line, want)
            self.checked["windows"] += 1
            answer, = self.d.ask([line])
            if answer != want: self.bad["windows"].append((line, answer, want))

    def small_domain(self, path, every):
        """The printed example: who asks, when, and how old each approval is, in every combination (or
        every so many)."""
        policy = json.load(open(path))
        policy["principals"]["managers"]["alice"]["credential_id"] = b64u(b"alice")   # text, for the driver's lines
        if not self.load(policy): return
        ops = ["sign", "describe", "stage", "promote", "freeze", "unfreeze", "delete"]
        people = [x for x in signers_of(policy)]
        cases = list(itertools.islice(enumerated(ops, ["07" * 32, "9f" * 32, "02" * 32, None], people, [None, 0, 299, 300, 301, 600, 601]), 0, None, every))
        for i in range(0, len(cases), 2000): self.agree(policy, cases[i:i + 2000])

def main():
    total = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
    record = open(sys.argv[sys.argv.index("--record") + 1], "w") if "--record" in sys.argv else None
    started, d = time.time(), Driver(sys.argv[1])
    pieces, all_pieces = probe(d)
    rng = random.Random(2026)
    run = Run(d, rng, record)
    example = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/full.json")
    if pieces >= set(all_pieces): run.small_domain(example, max(1, 400000 // total))
    run.windows(total // 50)
    run.generated(Maker(rng, pieces), run.seen + total)
    tests = [("the second evaluator agrees", "agrees")]
    tests += [(PROPERTIES[n][0], n) for n in PROPERTIES] + [("the order of rules does not matter", "order"), ("a policy without one of its people never allows more", "removed"),
                                                               ("quotas count as the text says", "windows")]
    number = failed = 0
    def say(good, text):
        nonlocal number, failed
        number, failed = number + 1, failed + (not good)
        print(f"{'ok' if good else 'not ok'} {number} - {text}")
    for text, name in tests:
        say(not run.bad[name] and run.checked[name] > 0, f"{text} ({run.checked[name]} situations)")
        for one in run.bad[name][:1]: print("# " + json.dumps(one))
    say(run.seen // 50 < run.allowed < run.seen // 2, f"both answers are common ({run.allowed} allowed, {run.unknown} unknown, of {run.seen}; {run.refused} policies refused)")
    wrong, how_many = loads.check(d, pieces, run.write)
    say(not wrong and how_many > 50, f"what does not load is what the text refuses ({how_many} documents)")
    for one in wrong: print("# " + json.dumps(one[:4]))
    say(pieces == set(all_pieces), f"every piece of the schema is in this build{''.join(' (not ' + x + ')' for x in sorted(set(all_pieces) - pieces))}")
    if record: record.close()
    print(f"1..{number}\n# {time.time() - started:.1f} s")
    sys.exit(1 if failed else 0)

if __name__ == "__main__": main()
