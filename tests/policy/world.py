"""Policies and situations to hold evaluators against each other: made at random from a seed, with
the edges likelier than chance would make them, or enumerated over a small domain."""
import base64, hashlib, itertools
from model import EVER, F, NEVER_TOLD, Policy, T, U, duration, seconds, signed_by

# ---- People ---------------------------------------------------------------------------------------

def b64u(b): return base64.urlsafe_b64encode(b).rstrip(b"=").decode()
def key(byte): return byte * 32

P256 = ["5de28bfac401f34f4ec8df29bfcea417777685f2b916b009943bb941de22f0f48bd2e23700877e4063e2ce67156b6a0fd9bb76fd0f98b932c23fb9ac45a03505",
        "54a2c9502ee78891bb73affbfcfb640b31462d85099f7b07f0b28fca78f9d069355f9027cc03e765a3c74a98a9e71656cdcaffaaea1ff1846c692e304f049aeb"]
ED25519 = ["f7e5ed74303c2fd488fabe365470a322d8ed144aa21dd20e725a8ff501537b28"]

def cose():
    """Public keys as passkeys carry them."""
    for point in map(bytes.fromhex, P256):
        yield bytes.fromhex("a5010203262001215820") + point[:32] + bytes.fromhex("225820") + point[32:]
    for point in map(bytes.fromhex, ED25519):
        yield bytes.fromhex("a4010103272006215820") + point

def spki(text):
    """The digest of such a key as SubjectPublicKeyInfo; None of what is none in this encoding."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(raw) == 77 and raw[:10].hex() == "a5010203262001215820" and raw[42:45].hex() == "225820":
        info = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004") + raw[10:42] + raw[45:]
    elif len(raw) == 42 and raw[:10].hex() == "a4010103272006215820":
        info = bytes.fromhex("302a300506032b6570032100") + raw[10:]
    else:
        return None
    return hashlib.sha256(info).hexdigest()

COSE = [(b64u(c), spki(b64u(c))) for c in cose()]
RP, ORIGIN, OTHER = "vault.example", "https://vault.example", "https://evil.example"
A, B = "https://id.example", "https://other.example"

def by_key(byte): return {"kind": "key", "spki_sha256": key(byte)}
def by_ca(byte, san): return {"kind": "key", "ca_sha256": key(byte), "san": san}
def passkey(i, credential):
    return {"kind": "passkey", "rp_id": RP, "origins": [ORIGIN], "credential_id": b64u(credential.encode()),
            "public_key": COSE[i][0]}
def oidc(iss, **more): return {"kind": "oidc", "issuer": iss, **more}
def tee(*profiles): return {"kind": "tee", "profiles": list(profiles)}

# Everybody whom a policy may know: the piece of the build that it needs, and himself.
PEOPLE = {
    "owner/me": ("key", by_key("11")), "owner/you": ("key", by_key("22")),
    "owner/tap": ("passkey", passkey(1, "cred-1")), "owner/idp": ("oidc", oidc(A, sub="o9")),
    "managers/ann": ("key", by_key("33")), "managers/pat": ("passkey", passkey(0, "cred-0")),
    "managers/eve": ("passkey", passkey(2, "cred-2")), "managers/olga": ("oidc", oidc(A, sub="o1")),
    "managers/ops": ("oidc", oidc(A, roles=["ops"])), "managers/bob": ("oidc", oidc(B, sub="o1")),
    "auditors/acme": ("key", by_key("55")), "auditors/desk": ("oidc", oidc(A, roles=["audit", "read"], bare_bearer=True)),
    "auditors/one": ("oidc", oidc(B, sub="o7", bare_bearer=True)),
    "apps/one": ("tee", tee("p")), "apps/two": ("tee", tee("p", "q")),
    "clients/ci": ("key", by_key("44")), "clients/fleet": ("ca", by_ca("aa", "dns:ci.example")),
    "platforms/dep": ("key", by_key("66")), "platforms/idp": ("oidc", oidc(B, roles=["deploy"])),
}

def signers(at):
    """Whoever may sign a statement, known or not, some of them nearly somebody else."""
    out = [("jws", key(b), at) for b in ("11", "22", "33", "44", "55", "66", "77")]
    for i in range(3):
        out.append(("passkey", COSE[i][1], RP, f"cred-{i}", ORIGIN, at))
    out += [("passkey", COSE[0][1], RP, "cred-0", OTHER, at), ("passkey", COSE[0][1], "evil.example", "cred-0", ORIGIN, at),
            ("passkey", COSE[1][1], RP, "cred-0", ORIGIN, at), ("passkey", key("33"), RP, "cred-1", ORIGIN, at),
            ("passkey", COSE[0][1], RP, "cred-1", ORIGIN, at), ("jws", COSE[0][1], at)]
    for iss, sub, roles in [(A, "o1", []), (A, "o2", ["ops"]), (A, "o3", ["ops", "audit", "read"]), (A, "o9", ["read"]),
                            (A, "o4", ["ops"]), (B, "o1", ["ops"]), (B, "o7", ["deploy"]), (B, "o2", ["audit", "read"]),
                            (A, "o5", ["audit"])]:
        out.append(("oidc", iss, sub, tuple(roles), ("pwd",), at - 30, False, at))
    return out

# ---- Policies -------------------------------------------------------------------------------------

OPS = ["export", "describe", "read_policy", "audit"]
FIELDS = ["principals.owner", "principals.managers", "principals.apps", "owner_quorum", "profiles",
          "vault_profiles", "operations", "quotas", "staging", "lifecycle", "mutability"]
GROUPS = ["owner", "managers", "auditors", "apps", "clients", "platforms"]
PERIODS = ["60s", "5m", "10m", "1h"]

def profile(byte):
    return {"tee": "sim-sgx", "measurements": {"mrenclave": [byte * 32]}, "platforms": "any"}

def random_time(rng):
    t = {}
    if rng.random() < .4: t["from"] = rng.choice(["2026-03-02T12:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"])
    if rng.random() < .4: t["until"] = rng.choice(["2026-03-02T12:05:00Z", "2027-04-01T00:00:00Z"])
    if rng.random() < .4: t["days"] = rng.choice(["mon-fri", "sat,sun", "tue", "mon,wed-sun"])
    if rng.random() < .4 or not t: t["hours"] = rng.choice(["08:00-18:00", "00:00-24:00", "12:00-12:05", "00:30-01:00"])
    return t if not ("from" in t and "until" in t and seconds(t["from"]) >= seconds(t["until"])) else {"days": "mon"}

class Maker:
    """Makes policies of the pieces that a build has."""

    def __init__(self, rng, pieces):
        self.rng, self.pieces = rng, pieces
        self.people = {n: p for n, (piece, p) in PEOPLE.items() if piece in pieces or piece in ("key", "tee")}

    def refs(self, principals, most=3, empty=True):
        some = ["*", "owner/*", "managers/*", "apps/*", "clients/*", "auditors/*"]
        some += [n for n in principals if not n.startswith("platforms/")] * 2
        return self.rng.sample(some, self.rng.randint(0 if empty and self.rng.random() < .2 else 1, most))

    def approvals(self, principals):
        """Of people who can sign, and as many as there can be."""
        rng = self.rng
        who = [n for n in principals if n.split("/")[0] in ("owner", "managers", "clients") and principals[n]["kind"] != "tee"
               and "ca_sha256" not in principals[n]]
        of = rng.choice([["managers/*"], ["managers/*", "owner/*"], rng.sample(who, rng.randint(1, len(who)))])
        a = {"of": of, "at_least": 1, "fresh_for": rng.choice(PERIODS)}
        if rng.random() < .4: a["per_issuer"] = rng.choice([1, 2, 2, 16])
        if rng.random() < .4: a["self"] = rng.random() < .7
        most = gather(principals, named(principals, of), a.get("per_issuer", 1))
        if not most:
            return {**a, "of": ["owner/me"]}
        a["at_least"] = rng.randint(1, min(most, 3))
        return a

    def condition(self, principals, plain, depth=3):
        rng = self.rng
        kinds = ["time", "time"] + (["vault"] if "vault" in self.pieces else [])
        if plain:
            kinds += ["attested", "attested"] + [k for k in ("approvals", "approvals", "role", "step_up") if k in self.pieces]
        if depth > 0: kinds += ["all", "any", "not"]
        kind = rng.choice(kinds)
        if kind == "time": return {"time": random_time(rng)}
        if kind == "attested": return {"attested": {"profile": rng.choice(["p", "q"])}}
        if kind == "not": return {"not": self.condition(principals, False, depth - 1)}
        if kind == "approvals": return {"approvals": self.approvals(principals)}
        if kind == "role":
            if rng.random() < .5: return {"role": {"of": rng.sample(GROUPS[:5], rng.randint(1, 2))}}
            return {"role": {"oidc": rng.sample(["ops", "audit", "read"], rng.randint(1, 2)), "issuer": rng.choice([A, B])}}
        if kind == "step_up":
            return {"step_up": {"fresh_for": rng.choice(PERIODS), **({"amr": rng.sample(["hwk", "otp", "pwd"], rng.randint(1, 2))} if rng.random() < .6 else {})}}
        if kind == "vault":
            return {"vault": rng.choice([{"vendor": "intel"}, {"vendor": "amd"}, {"label": "site=a"}, {"vendor": "intel", "label": "site=b"}])}
        return {kind: [self.condition(principals, plain, depth - 1) for _ in range(rng.randint(1, 3))]}

    def rule(self, principals, i):
        rng = self.rng
        deny = rng.random() < .3
        rule = {"id": f"r{i}", "deny" if deny else "allow": rng.sample(OPS, rng.randint(1, 3)),
                "to": ["*"] if deny else self.refs(principals)}
        if deny and rng.random() < .3: rule["deny"] = rule["deny"] + rng.sample(["delete", "create", "freeze", "promote"], 2)
        if rng.random() < .6: rule["when"] = self.condition(principals, not deny)
        return rule

    def mutability(self, principals):
        rng = self.rng
        by = rng.choice([["owner/*"], ["owner/*", "managers/*"], ["managers/ann", "apps/one"], ["owner/me"]])
        guard = {"by": by}
        if "guard" in self.pieces and rng.random() < .6: guard["approvals"] = self.approvals(principals)
        m = {f: dict(guard) for f in rng.sample(FIELDS, rng.randint(1, 5))}
        for act in ("narrow", "lifecycle_acts"):
            if rng.random() < .5:
                who = [["managers/*", "owner/*"], ["apps/*"], []] if act == "narrow" else [["owner/*"], ["owner/me"], ["owner/*", "managers/*"]]
                m[act] = {"by": rng.choice(who)}
                if "guard" in self.pieces and rng.random() < .5: m[act]["approvals"] = self.approvals(principals)
        return m

    def policy(self):
        rng = self.rng
        names = {"owner/me", "managers/ann", "apps/one", "apps/two", "clients/ci"}
        names |= {n for n in self.people if rng.random() < .45}
        people = {n: p for n, p in self.people.items() if n in names}
        p = {"pleiad_policy": 1, "salt": "A" * 22, "principals": {g: {} for g in GROUPS},
             "profiles": {"p": profile("aa"), "q": profile("bb")}, "operations": []}
        for n, pr in people.items():
            p["principals"][n.split("/")[0]][n.split("/")[1]] = pr
        owners = len(p["principals"]["owner"])
        single = all(pr["kind"] != "oidc" or "sub" in pr for pr in p["principals"]["owner"].values())
        if rng.random() < .6: p["owner_quorum"] = rng.randint(1, owners if single or rng.random() < .1 else 1)
        p["operations"] = [self.rule(people, i) for i in range(rng.randint(1, 5))]
        if "quotas" in self.pieces and rng.random() < .4:
            p["quotas"] = [{"id": f"q{i}", "ops": rng.sample(OPS, rng.randint(1, 3)), "max": rng.randint(1, 9), "per": "1h",
                            "by": rng.choice(["key", "principal"])} for i in range(rng.randint(1, 3))]
        if "staging" in self.pieces and rng.random() < .4:
            some = [["owner/*"]] + [[n] for n in people if n.startswith(("platforms/", "managers/"))] + [["platforms/*"], ["owner/*", "managers/*"]]
            p["staging"] = {"by": rng.choice(some)}
        if rng.random() < .6: p["mutability"] = self.mutability(people)
        if rng.random() < .15:
            p["lifecycle"] = {"sealed": True}
            for f in FIELDS: p.get("mutability", {}).pop(f, None)
        if rng.random() < .9 and (p.get("lifecycle") or "profiles" not in p.get("mutability", {"profiles": 0})): p.pop("staging", None)
        return p

def named(principals, refs):
    out = []
    for r in refs:
        out += [n for n in principals if r == "*" and not n.startswith("platforms/") or n == r or r.endswith("/*") and n.startswith(r[:-1])]
    return list(dict.fromkeys(out))

def gather(principals, names, per_issuer):
    """As many approvals as these people can give: one each, of one issuer at most per_issuer."""
    alone, issuers = 0, {}
    for pr in (principals[n] for n in names):
        if pr["kind"] == "oidc":
            issuers.setdefault(pr["issuer"], []).append(pr)
        elif pr["kind"] == "passkey" or "spki_sha256" in pr:
            alone += 1
    return alone + sum(per_issuer if any("roles" in pr for pr in ps) else min(per_issuer, len(ps)) for ps in issuers.values())

# ---- Situations -----------------------------------------------------------------------------------

NOON = seconds("2026-03-02T12:00:00Z")          # a Monday
NOWS = [EVER, (NOON, NOON), (NOON - 300, NOON + 300), (NOON + 5 * 86400, NOON + 5 * 86400 + 600),
        (NOON + 6 * 3600 - 300, NOON + 6 * 3600 + 299), (NOON + 6 * 3600, NOON + 6 * 3600),
        (NOON + 11 * 3600, NOON + 13 * 3600), (NOON - 3 * 86400, NOON + 2 * 86400),
        (NOON + 400 * 86400, NOON + 400 * 86400 + 60), (NOON, 2**63 - 1), (NOON, NOON + 1), (NOON - 1, NOON)]
OTHER_OPS = ["create", "activate", "delete", "freeze", "unfreeze", "promote", "update_policy", "hand_over", "stage",
             "restore", "revoke", "retire"]
NOBODY = {"op": "export", "now": (NOON, NOON), "key": None, "ca": (), "san": (), "claims": None, "token": None, "requests": (),
          "approvals": (), "consents": (), "vault": None, "changes": (), "narrows": False, "room": {}}

def moment(rng, now):
    """When something was signed: likely exactly at the border of being fresh."""
    lo, hi = now if now[0] > -2**62 else (NOON, NOON)
    hi = min(hi, NOON + 500 * 86400)
    return rng.choice((lo, hi)) - duration(rng.choice(PERIODS + ["0s", "2m"])) + rng.choice((-1, 0, 0, 1))

def dated(signer, at, rng):
    if signer[0] != "oidc": return signer[:-1] + (at,)
    auth = rng.choice((at, at - 30, at - 300, at - 3600, NEVER_TOLD))
    return signer[:4] + (rng.choice((("pwd",), ("pwd", "otp"), ("hwk",), ())), auth, False, at)

def known(policy, everybody):
    """Those of everybody whom the policy knows."""
    compiled = Policy(policy, spki)
    return [x for x in everybody if any(signed_by(pr, x) for pr in compiled.who.values())]

def random_claims(rng):
    if rng.random() < .3: return None
    byte = rng.choice(["aa", "aa", "bb", "cc"])
    return (byte * 32, rng.choice([-2**63, -2**63, NOON - 300, NOON, NOON + 1]), rng.choice([2**63 - 1, 2**63 - 1, NOON + 300, NOON, NOON - 1]))

def random_room(rng, policy):
    out = {}
    for q in policy.get("quotas", []):
        names = ["*"] if q["by"] == "key" else [f"{g}/{n}" for g, ps in policy["principals"].items() for n in ps]
        out[q["id"]] = {n: rng.choice((T, T, T, U, F)) for n in names}
    return out

def random_situation(rng, policy, friends, everybody=signers(0)):
    now = rng.choice(NOWS)
    # Whom the policy knows is likelier to sign, so that both answers are common.
    def some(n):
        return tuple(dated(rng.choice(friends if friends and rng.random() < .7 else everybody), moment(rng, now), rng) for _ in range(n))
    s = dict(NOBODY, op=rng.choice(OPS * 4 + OTHER_OPS), now=now)
    s["key"] = rng.choice([None, key("11"), key("11"), key("22"), key("33"), key("44"), key("55"), key("66"), key("77")])
    if s["key"] and rng.random() < .2: s["ca"], s["san"] = (key("aa"),), ("dns:ci.example",)
    elif rng.random() < .1: s["ca"], s["san"] = (key(rng.choice(("aa", "ab"))),), ("dns:other.example", "uri:ci.example")
    s["claims"] = random_claims(rng)
    s["requests"] = some(rng.choice((0, 0, 1, 1, 2, 3)))
    s["approvals"] = some(rng.choice((0, 0, 1, 2, 3, 4, 6)))
    if s["approvals"] and rng.random() < .2:       # the same once more, later or earlier
        s["approvals"] += (dated(s["approvals"][0], moment(rng, now), rng),)
    if s["requests"] and rng.random() < .2:        # his own
        s["approvals"] += (dated(s["requests"][0], moment(rng, now), rng),)
    if rng.random() < .25:
        t = dated(rng.choice(everybody[-9:]), moment(rng, now), rng)
        s["token"] = t[:6] + (rng.random() < .5,) + t[7:]
    if s["op"] in ("create", "activate"): s["consents"] = tuple(key(b) for b in ("11", "22", "77") if rng.random() < .4)
    s["vault"] = rng.choice((None, ("intel", ("site=a",)), ("amd", ("site=b", "site=a")), (None, ("site=b",)), ("intel", None), ("intel", ())))
    if s["op"] == "update_policy":
        s["changes"] = tuple(rng.sample(FIELDS, rng.randint(0, 2)))
        s["narrows"] = rng.random() < .3
    s["room"] = random_room(rng, policy)
    return s

def signers_of(policy):
    """Its managers, as signers, and one of them by another account of the same issuer."""
    for p in policy["principals"]["managers"].values():
        if p["kind"] == "passkey":
            yield ("passkey", spki(p["public_key"]), p["rp_id"], base64.urlsafe_b64decode(p["credential_id"] + "==").decode(), p["origins"][0], 0)
        elif p["kind"] == "oidc":
            yield ("oidc", p["issuer"], p["sub"], (), (), 0, False, 0)
    yield ("jws", key("9f"), 0)

def enumerated(ops, clients, people, ages):
    """Every situation of a small domain: who asks, how old each of these people's approval is."""
    for op, now, who, *given in itertools.product(ops, NOWS, clients, *[ages] * len(people)):
        at = now[1] if abs(now[1]) < 2**62 else NOON
        yield dict(NOBODY, op=op, now=now, key=who,
                   approvals=tuple(p[:-1] + (at - a,) for p, a in zip(people, given) if a is not None))
