"""The second evaluator: reads the JSON document itself, written from the text of the policy's rules
and not from the C.

A situation is a dict, as a vault would see it before it asks any policy:
  op, now (earliest, latest), key (TLS client key or None), ca and san (lists of the certificate's),
  claims (measurement, earliest, latest, or None), token (a signer or None), requests, approvals
  (lists of signers), consents (keys), vault (vendor or None, labels or None), changes (fields),
  narrows (they only take away), room ({quota id: {principal or "*": value}}; what is not there has room)
A signer is ("jws", key, iat), ("passkey", key, rp_id, credential, origin, iat) or
("oidc", iss, sub, roles, amr, auth_time, bare, iat).

Values are 0 false, 1 unknown, 2 true: `and` is min, `or` is max."""
import base64
from datetime import datetime, timezone

F, U, T = 0, 1, 2
LETTERS = "FUT"
EVER = (-2**63, 2**63 - 1)
NEVER_TOLD = -2**63

def neg(v): return 2 - v

def seconds(text):
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp())

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
def duration(text):
    return int(text[:-1]) * UNITS[text[-1]]

def spread(now):
    """What is known of time; an interval that ends before it begins says nothing."""
    return now if now[0] <= now[1] else EVER

def age(now, at, limit):
    """Is `at` at most `limit` seconds ago?"""
    lo, hi = spread(now)
    return T if hi - at <= limit else F if lo - at > limit else U

# ---- time -----------------------------------------------------------------------------------------

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
    lo, hi = spread(now)
    value = T
    if "from" in args:
        at = seconds(args["from"])
        value = min(value, T if lo >= at else F if hi < at else U)
    if "until" in args:
        at = seconds(args["until"])
        value = min(value, T if hi < at else F if lo >= at else U)
    if "days" in args:
        span = range(lo // 86400, min(hi // 86400, lo // 86400 + 7) + 1)
        value = min(value, quantified([(d + 3) % 7 for d in span], day_set(args["days"])))
    if "hours" in args:
        o, c = [int(x[:2]) * 60 + int(x[3:]) for x in args["hours"].split("-")]
        if hi - lo >= 86400:
            minutes = range(1440)
        else:
            minutes = {m % 1440 for m in range(lo // 60, hi // 60 + 1)}
        value = min(value, quantified(minutes, range(o, c)))
    return value

# ---- who ------------------------------------------------------------------------------------------

def authenticator(signer):
    """What is counted once: a key, or a subject of an issuer."""
    return ("key", signer[1]) if signer[0] != "oidc" else ("oidc", signer[1], signer[2])

def issuer(signer):
    return ("oidc", signer[1]) if signer[0] == "oidc" else authenticator(signer)

def signed_by(principal, signer):
    """Is the signer this principal? Certificates and evidence sign nothing."""
    kind = principal["kind"]
    if kind == "key":
        return signer[0] == "jws" and principal.get("spki_sha256") == signer[1]
    if kind == "passkey":
        return (signer[0] == "passkey" and principal["key"] == signer[1] and principal["rp_id"] == signer[2] and
                principal["credential_id"] == signer[3] and signer[4] in principal["origins"])
    if kind == "oidc":
        if signer[0] != "oidc" or signer[1] != principal["issuer"]:
            return False
        if "sub" in principal:
            return signer[2] == principal["sub"]
        return set(principal["roles"]) <= set(signer[3])
    return False

def profile_value(profile, claims, now):
    """Only the measurement and the time for which the evidence holds differ here."""
    if claims is None or claims[0] not in profile["measurements"]["mrenclave"]:
        return F
    lo, hi = spread(now)
    return T if lo >= claims[1] and hi <= claims[2] else F if hi < claims[1] or lo > claims[2] else U

LOOKS = ("describe", "read_policy")

class Policy:
    """A document with what its references name worked out once."""

    def __init__(self, document, spki=None):
        self.doc = document
        self.who = {f"{g}/{n}": dict(p) for g, ps in document["principals"].items() for n, p in ps.items()}
        for p in self.who.values():
            if p["kind"] == "passkey":
                p["key"] = spki(p["public_key"])
                p["credential_id"] = base64.urlsafe_b64decode(p["credential_id"] + "==").decode()
        self.owners = [n for n in self.who if n.startswith("owner/")]
        self.quorum = document.get("owner_quorum", len(self.owners))
        self.sealed = document.get("lifecycle", {}).get("sealed", False)
        self.guards = document.get("mutability")
        self.refs = {}
        self.strict = self.strictest()

    def named(self, refs):
        """The principals that references name."""
        key = tuple(refs)
        if key not in self.refs:
            out = []
            for ref in refs:
                if ref == "*":
                    out += [n for n in self.who if not n.startswith("platforms/")]
                elif ref.endswith("/*"):
                    out += [n for n in self.who if n.startswith(ref[:-1])]
                else:
                    out.append(ref)
            self.refs[key] = list(dict.fromkeys(out))
        return self.refs[key]

    def strictest(self):
        """Every approvals condition whose at_least is the highest of the document."""
        found = [g["approvals"] for g in (self.guards or {}).values() if "approvals" in g]
        def walk(c):
            (word, args), = c.items()
            if word == "approvals":
                found.append(args)
            elif word in ("all", "any"):
                for x in args:
                    walk(x)
            elif word == "not":
                walk(args)
        for rule in self.doc["operations"]:
            if "when" in rule:
                walk(rule["when"])
        most = max((a["at_least"] for a in found), default=0)
        return [a for a in found if a["at_least"] == most]

# ---- one situation --------------------------------------------------------------------------------

class Facts:
    def __init__(self, policy, s):
        self.p, self.s, self.now, self.op = policy, s, s["now"], s["op"]
        self.profiles = {n: profile_value(d, s["claims"], s["now"])
                         for n, d in policy.doc.get("profiles", {}).items()}
        self.bound = list(s["requests"])
        if s["token"] is not None and not s["token"][6]:
            self.bound.append(s["token"])
        self.who = {n: self.holds(n, pr) for n, pr in policy.who.items()}
        mine = {authenticator(x) for x in s["requests"]}
        if s["key"] is not None:
            mine.add(("key", s["key"]))
        if s["token"] is not None:
            mine.add(authenticator(s["token"]))
        self.mine = mine

    def holds(self, name, pr):
        s = self.s
        if pr["kind"] == "tee":
            return max((self.profiles[x] for x in pr["profiles"]), default=F)
        if pr["kind"] == "key":
            if "spki_sha256" in pr:
                if pr["spki_sha256"] == s["key"]:
                    return T
            elif s["key"] is not None and pr["ca_sha256"] in s["ca"] and pr["san"] in s["san"]:
                return T
        if any(signed_by(pr, x) for x in self.bound):
            return T
        token = s["token"]
        if (token is not None and token[6] and pr["kind"] == "oidc" and pr.get("bare_bearer") and self.op in LOOKS and
                signed_by(pr, token)):
            return T
        return F

    # -- conditions

    def approvals(self, a):
        names = self.p.named(a["of"])
        limit, each, own = duration(a["fresh_for"]), a.get("per_issuer", 1), a.get("self", False)
        best = {}
        for x in self.s["approvals"]:
            if not own and authenticator(x) in self.mine:
                continue
            if not any(signed_by(self.p.who[n], x) for n in names):
                continue
            key = (issuer(x), authenticator(x))
            best[key] = max(best.get(key, F), age(self.now, x[-1], limit))
        def count(least):
            by = {}
            for (i, _), v in best.items():
                by[i] = by.get(i, 0) + (v >= least)
            return sum(min(n, each) for n in by.values())
        return T if count(T) >= a["at_least"] else U if count(U) >= a["at_least"] else F

    def role(self, args):
        if "of" in args:
            return max((v for n, v in self.who.items() if n.split("/")[0] in args["of"]), default=F)
        held = {r for x in self.bound if x[0] == "oidc" and x[1] == args["issuer"] for r in x[3]}
        return T if held & set(args["oidc"]) else F

    def step_up(self, args):
        limit, value = duration(args["fresh_for"]), F
        for x in self.s["requests"]:
            if not any(signed_by(pr, x) for pr in self.p.who.values()):
                continue
            if x[0] == "passkey":
                value = max(value, age(self.now, x[-1], limit))
            elif x[0] == "oidc" and x[5] != NEVER_TOLD and set(x[4]) & set(args.get("amr", [])):
                value = max(value, age(self.now, x[5], limit))
        return value

    def vault(self, args):
        vendor, labels = self.s["vault"] or (None, None)
        value = T
        if "vendor" in args:
            value = min(value, U if vendor is None else T if vendor == args["vendor"] else F)
        if "label" in args:
            value = min(value, U if labels is None else T if args["label"] in labels else F)
        return value

    def condition(self, c):
        (word, args), = c.items()
        if word == "all": return min(self.condition(x) for x in args)
        if word == "any": return max(self.condition(x) for x in args)
        if word == "not": return neg(self.condition(args))
        if word == "time": return time_value(args, self.now)
        if word == "attested": return self.profiles[args["profile"]]
        return getattr(self, word)(args)

    # -- rules, guards, quotas

    def quotas(self, by):
        return [q for q in self.p.doc.get("quotas", []) if q["by"] == by and self.op in q["ops"]]

    def room(self, name):
        """Has this principal room in every quota that counts by principal?"""
        return min((self.s["room"].get(q["id"], {}).get(name, T) for q in self.quotas("principal")), default=T)

    def to_value(self, refs):
        return max((min(self.who[n], self.room(n)) for n in self.p.named(refs)), default=F)

    def charged(self, order):
        """Whom quotas by principal count: of all through whom a rule surely allows it, the first."""
        able = [n for rule in self.p.doc["operations"] if self.op in rule.get("allow", ())
                and ("when" not in rule or self.condition(rule["when"]) == T)
                for n in self.p.named(rule["to"]) if self.who[n] == T and self.room(n) == T]
        return min(able, key=order.get, default="-")

    def agree(self, refs, consent=()):
        """One that is no owner, or an owner with as many others who ask or signed an approval as
        make the quorum."""
        names = self.p.named(refs)
        value = {n: T if n in consent else self.who[n] for n in names}
        owners = [n for n in names if n in self.p.owners]
        signed = {n for n in owners if any(signed_by(self.p.who[n], x) for x in self.s["approvals"])}
        def quorum(least):
            asking = {n for n in owners if value[n] >= least}
            return bool(asking) and len(asking | signed) >= self.p.quorum
        others = [value[n] for n in names if n not in self.p.owners]
        return max(others + [T if quorum(T) else U if quorum(U) else F])

    def guard(self, refs, approvals=()):
        return min([self.agree(refs)] + [self.approvals(a) for a in approvals])

    def entry(self, field, absent=()):
        """An entry of mutability; the owners and `absent` approvals where there is none."""
        if self.p.guards is None or field not in self.p.guards:
            return self.guard(["owner/*"], absent)
        g = self.p.guards[field]
        return self.guard(g["by"], [g["approvals"]] if "approvals" in g else [])

    def change(self, field):
        listed = self.p.guards is not None and field in self.p.guards
        if not listed and field not in ("narrow", "lifecycle_acts"):
            if self.p.guards is not None or self.p.sealed or field in KEPT:
                return F
        return self.entry(field)

    def changes(self):
        """A change that only takes away is the business of `narrow`, too."""
        fields = self.s["changes"]
        if not fields or self.p.sealed:
            return F
        value = min(self.change(x) for x in fields)
        return max(value, self.entry("narrow")) if self.s["narrows"] and not KEPT & set(fields) else value

    def given(self, ruled):
        """What allows beside the rules."""
        if ruled == "operations": return F
        if ruled == "birth":
            consent = [n for n in self.p.owners if self.p.who[n].get("spki_sha256") in self.s["consents"]]
            return self.agree(["owner/*"], consent)
        if ruled == "changed": return self.changes()
        if ruled == "staging":
            return self.to_value(self.p.doc["staging"]["by"]) if "staging" in self.p.doc else F
        if self.op == "retire" and self.p.sealed: return F
        if ruled == "thaw":
            return self.entry("profiles") if "profiles" in (self.p.guards or {}) else self.entry("-", self.p.strict)
        if ruled == "lifecycle_acts" and "lifecycle_acts" not in (self.p.guards or {}):
            return self.entry("-", self.p.strict)
        return self.change(ruled)

KEPT = {"principals.owner", "owner_quorum", "mutability"}
RULED = {"update_policy": "changed", "promote": "profiles", "retire": "narrow", "revoke": "narrow",
         "freeze": "narrow", "unfreeze": "thaw", "delete": "lifecycle_acts",
         "restore": "lifecycle_acts", "destroy": "lifecycle_acts", "replicate": "vault_profiles",
         "hand_over": "vault_profiles", "stage": "staging",
         "create": "birth", "activate": "birth", "import": "birth", "receive": "birth"}

def evaluate(policy, s, order=None):
    """The value; with the order of the principals also who is charged when it is allowed."""
    f = Facts(policy, s)
    op = s["op"]
    allowed, denied = f.given(RULED.get(op, "operations")), F
    for rule in policy.doc["operations"]:
        if op in rule.get("allow", ()):
            allowed = max(allowed, min(f.to_value(rule["to"]), f.condition(rule["when"]) if "when" in rule else T))
        if op in rule.get("deny", ()):
            denied = max(denied, f.condition(rule["when"]) if "when" in rule else T)
    for q in f.quotas("key"):
        denied = max(denied, neg(s["room"].get(q["id"], {}).get("*", T)))
    value = min(allowed, neg(denied))
    return (value, f.charged(order) if value == T else "-") if order is not None else value

class Window:
    """One quota's count. A window begins with its first use, at the latest that it may be then: so
    it needs a time."""

    def __init__(self, most, per):
        self.most, self.per, self.begin, self.used = most, per, None, 0

    def over(self, now):
        lo, hi = spread(now)
        if hi == EVER[1]: return U
        if self.begin is None or lo >= self.begin + self.per: return T
        return F if hi < self.begin + self.per else U

    def room(self, now):
        return T if 0 < self.used < self.most else self.over(now)

    def use(self, now):
        if self.over(now) == T:
            self.begin, self.used = spread(now)[1], 0
        self.used += 1
