"""Which documents do not load, and why: a second loader, from the text.

refusals(document) is the set of codes that are right for it; empty: it loads. A document with more
than one thing wrong may be refused for any of them."""
import copy, json, re
from model import DAYS, duration, seconds
from world import A, B, COSE, GROUPS, b64u, by_ca, by_key, gather, key, named, oidc, passkey, profile, spki, tee

NAME = re.compile(r"[A-Za-z0-9_.-]{1,31}$")
OPERATIONS = """create activate import export sign verify wrap unwrap mac mac_verify derive describe list read_policy
    update_policy stage promote retire revoke rotate replicate hand_over receive freeze unfreeze delete restore destroy
    audit""".split()
RULED_BY_RULES = """export sign verify wrap unwrap mac mac_verify derive describe list read_policy rotate audit""".split()
USES = "export sign verify wrap unwrap mac mac_verify derive".split()
FIELDS = "pleiad_policy salt profiles vault_profiles principals owner_quorum operations staging quotas lifecycle mutability".split()
WIDENING = [f"principals.{g}" for g in GROUPS] + ["owner_quorum", "profiles", "vault_profiles", "operations", "staging",
                                                  "quotas", "lifecycle", "mutability"]
DEFAULT = [f for f in WIDENING if f not in ("principals.owner", "owner_quorum", "mutability")]
CONDITIONS = ("attested", "approvals", "time", "role", "step_up", "vault", "all", "any", "not")
WITHHELD = ("attested", "approvals", "role", "step_up")
HOUR = 3600

class Reader:
    def __init__(self, document):
        self.doc, self.codes = document, set()
        self.people, self.guards = {}, []

    def no(self, code):
        self.codes.add(code)

    def members(self, o, must, may=()):
        """An object with these members and no others."""
        if not isinstance(o, dict):
            self.no("JSON_TYPE")
            return False
        if set(o) - set(must) - set(may): self.no("JSON_UNKNOWN")
        if set(must) - set(o): self.no("JSON_MISSING")
        return not (set(o) - set(must) - set(may)) and not (set(must) - set(o))

    def whole(self, v, lowest, highest, code="POLICY_VALUE"):
        number = isinstance(v, int) and not isinstance(v, bool)
        if number and lowest <= v <= highest: return True
        self.no(code if number else "JSON_TYPE")
        if number and not 0 <= v < 2**32: self.no("JSON_RANGE")
        return False

    def few(self, items, most):
        if not 1 <= len(items) <= most: self.codes |= {"POLICY_VALUE", "POLICY_LIMIT"}

    def span(self, v, most):
        good = isinstance(v, str) and re.match(r"[1-9][0-9]{0,8}[smhd]$", v) and duration(v) <= most
        if not good: self.no("POLICY_VALUE")
        return bool(good)

    # -- principals

    def principal(self, name, p):
        kind = p.get("kind") if isinstance(p, dict) else None
        if kind is None: return self.no("JSON_MISSING")
        if kind == "key":
            if "ca_sha256" in p:
                if self.members(p, ("kind", "ca_sha256", "san")) and not re.match(r"(dns|uri|email):.", p["san"]): self.no("POLICY_VALUE")
            else: self.members(p, ("kind", "spki_sha256"))
        elif kind == "passkey":
            if self.members(p, ("kind", "rp_id", "origins", "credential_id", "public_key"), ("strict_counter",)):
                if p.get("strict_counter") is True: self.no("POLICY_BUILD")
                self.few(p["origins"], 8)
                if not p["credential_id"]: self.no("POLICY_VALUE")
                if spki(p["public_key"]) is None: self.no("POLICY_VALUE")
        elif kind == "oidc":
            if self.members(p, ("kind", "issuer"), ("sub", "roles", "bare_bearer")):
                if ("sub" in p) == ("roles" in p): self.no("JSON_UNKNOWN" if "sub" in p else "JSON_MISSING")
                if "roles" in p: self.few(p["roles"], 16)
        elif kind == "tee":
            if self.members(p, ("kind", "profiles")):
                if any(x not in self.doc.get("profiles", {}) for x in p["profiles"]): self.no("POLICY_NAME")
        else:
            self.no("POLICY_NAME")

    def same(self, p):
        """What may not stand under two names."""
        if p["kind"] == "key": return [(p.get("spki_sha256"),)] if "spki_sha256" in p else [(p["ca_sha256"], p["san"])]
        if p["kind"] == "passkey": return [(spki(p["public_key"]),)]
        if p["kind"] == "oidc": return [(p["issuer"], p["sub"])] if "sub" in p else []
        return []

    def principals(self):
        groups = self.doc["principals"]
        for g, ps in groups.items():
            if g not in GROUPS: self.no("POLICY_NAME")
            for n, p in ps.items():
                if not NAME.match(n): self.no("POLICY_VALUE")
                self.principal(f"{g}/{n}", p)
                self.people[f"{g}/{n}"] = p
        if len(self.people) > 64: self.no("POLICY_LIMIT")
        if not groups.get("owner"): self.no("POLICY_UNUSABLE")
        if not self.codes:
            seen = set()
            for p in self.people.values():
                for what in self.same(p):
                    if what in seen: self.no("POLICY_TWICE")
                    seen.add(what)

    # -- references and conditions

    def refs(self, refs, platforms=False):
        good = True
        for r in refs:
            if r == "*": continue
            m = re.match(r"([a-z]+)/(\*|.+)$", r)
            if not m or m[1] not in GROUPS or (m[2] != "*" and r not in self.people):
                self.no("POLICY_NAME")
                good = False
            elif m[1] == "platforms" and not platforms:
                self.no("POLICY_VALUE")
                good = False
        return good

    def approvals(self, a):
        if not self.members(a, ("of", "at_least", "fresh_for"), ("per_issuer", "self")): return
        good = self.whole(a["at_least"], 1, 16) & self.span(a["fresh_for"], HOUR)
        good &= self.whole(a.get("per_issuer", 1), 1, 16)
        good &= self.refs(a["of"])
        if not good: return
        names = named(self.people, a["of"])
        if any(self.people[n]["kind"] == "tee" or "ca_sha256" in self.people[n] for n in names): self.no("POLICY_VALUE")
        elif gather(self.people, names, a.get("per_issuer", 1)) < a["at_least"]: self.no("POLICY_UNUSABLE")

    def time(self, t):
        if not self.members(t, (), ("from", "until", "days", "hours")): return
        if not t: return self.no("JSON_MISSING")
        if "from" in t and "until" in t and seconds(t["from"]) >= seconds(t["until"]): self.no("POLICY_VALUE")
        for part in t.get("days", "mon").split(","):
            ends = part.split("-")
            if any(x not in DAYS for x in ends) or len(ends) > 2 or DAYS.index(ends[0]) > DAYS.index(ends[-1]): self.no("POLICY_VALUE")
        if "hours" in t:
            m = re.match(r"(\d\d):(\d\d)-(\d\d):(\d\d)$", t["hours"])
            if not m: return self.no("POLICY_VALUE")
            a, b, c, d = map(int, m.groups())
            if b > 59 or d > 59 or c * 60 + d > 1440 or a * 60 + b >= c * 60 + d: self.no("POLICY_VALUE")

    def role(self, r):
        if "of" in r:
            if "oidc" in r: self.no("JSON_MISSING")
            if self.members(r, ("of",)):
                if any(g not in GROUPS for g in r["of"]): self.no("POLICY_NAME")
                elif "platforms" in r["of"]: self.no("POLICY_VALUE")
        elif self.members(r, ("oidc", "issuer")): self.few(r["oidc"], 16)

    def step_up(self, a):
        if self.members(a, ("fresh_for",), ("amr",)):
            self.span(a["fresh_for"], HOUR)
            if "amr" in a and not 1 <= len(a["amr"]) <= 8: self.no("POLICY_VALUE")

    def vault(self, v):
        if self.members(v, (), ("vendor", "label")):
            if not v: self.no("JSON_MISSING")
            if "=" not in v.get("label", "a=b")[1:] or not 3 <= len(v.get("label", "a=b")) <= 128: self.no("POLICY_VALUE")
            if v.get("vendor", "intel") not in ("intel", "amd", "aws", "tpm", "sim"): self.no("POLICY_NAME")

    def attested(self, a):
        if self.members(a, ("profile",)) and a["profile"] not in self.doc.get("profiles", {}): self.no("POLICY_NAME")

    def condition(self, c, plain, depth=0):
        if len(c) != 1: return self.no("JSON_MISSING" if not c else "POLICY_VALUE")
        (word, args), = c.items()
        if word not in CONDITIONS: return self.no("POLICY_NAME")
        if word in WITHHELD and not plain: return self.no("POLICY_VALUE")
        if word in ("all", "any", "not") and depth >= 5:
            self.codes |= {"POLICY_LIMIT", "JSON_DEPTH"}
            return
        if word in ("all", "any"):
            if not args: return self.no("POLICY_VALUE")
            for x in args: self.condition(x, plain, depth + 1)
        elif word == "not": self.condition(args, False, depth + 1)
        else: getattr(self, word)(args)

    # -- rules, quotas, guards

    def operation_list(self, ops, deny, counted=False):
        for op in ops:
            if op not in OPERATIONS: self.no("POLICY_NAME")
            elif not deny and op not in RULED_BY_RULES or counted and op == "list": self.no("POLICY_VALUE")

    def rules(self):
        ids = set()
        if len(self.doc["operations"]) > 64: self.no("POLICY_LIMIT")
        for r in self.doc["operations"]:
            if not self.members(r, ("id", "to"), ("allow", "deny", "when")): continue
            if r["id"] in ids: self.no("POLICY_TWICE")
            ids.add(r["id"])
            if not NAME.match(r["id"]): self.no("POLICY_VALUE")
            if ("allow" in r) == ("deny" in r): self.no("POLICY_VALUE")
            else: self.operation_list(r.get("allow", r.get("deny")), "deny" in r)
            self.refs(r["to"])
            if "deny" in r and r["to"] != ["*"]: self.no("POLICY_VALUE")
            if "when" in r: self.condition(r["when"], "deny" not in r)

    def staging(self, by):
        if "*" in by: self.no("POLICY_WEAK")
        self.refs(by, platforms=True)

    def quotas(self):
        ids = set()
        if len(self.doc["quotas"]) > 16: self.no("POLICY_LIMIT")
        for q in self.doc["quotas"]:
            if not self.members(q, ("id", "ops", "max", "per", "by")): continue
            if q["id"] in ids: self.no("POLICY_TWICE")
            ids.add(q["id"])
            if not NAME.match(q["id"]): self.no("POLICY_VALUE")
            if not q["ops"]: self.no("POLICY_VALUE")
            self.operation_list(q["ops"], False, True)
            self.whole(q["max"], 1, 2**32 - 1)
            self.span(q["per"], 366 * 86400)
            if q["by"] not in ("key", "principal"): self.no("POLICY_VALUE")

    def guard(self, field, g):
        if field not in WIDENING + ["lifecycle_acts", "narrow"]: return self.no("POLICY_NAME")
        if not self.members(g, ("by",), ("approvals",)): return
        if "*" in g["by"]: self.no("POLICY_WEAK")
        if not self.refs(g["by"]): return
        if "approvals" in g: self.approvals(g["approvals"])
        by = frozenset(named(self.people, g["by"]))
        # A quorum nobody can meet; that too few owners stand there may also be called weak.
        if 0 < sum(n.startswith("owner/") for n in by) < self.quorum: self.codes |= {"POLICY_UNUSABLE", "POLICY_WEAK"}
        # Never a manager alone: with approvals that he cannot give himself.
        if field == "lifecycle_acts" and any(n.startswith("managers/") for n in by) and g.get("approvals", {"self": True}).get("self"):
            self.no("POLICY_WEAK")
        if field in WIDENING: self.guards.append((by, approvals_asked(self.people, g.get("approvals"))))

    def possible(self, by):
        """Can these ever agree?"""
        owners = [n for n in by if n.startswith("owner/")]
        return len(by) > len(owners) or len(owners) >= self.quorum

    def whole_policy(self):
        d = self.doc
        sealed = d.get("lifecycle", {}).get("sealed", False)
        if "mutability" in d:
            if len(set(self.guards)) > 1: self.no("POLICY_WEAK")
            changeable = [f for f in d["mutability"] if f in WIDENING and self.possible(named(self.people, d["mutability"][f]["by"]))]
        else:
            changeable = [] if sealed else DEFAULT
        if "staging" in d and (sealed or "profiles" not in d.get("mutability", {"profiles": 0})): self.no("POLICY_UNUSABLE")
        if sealed:
            if any(f in WIDENING for f in d.get("mutability", {})): self.no("POLICY_VALUE")
            return
        if not changeable: self.no("POLICY_UNUSABLE")
        never = {op for r in d["operations"] if "when" not in r for op in r.get("deny", [])}
        usable = any(set(r.get("allow", [])) & set(USES) - never and named(self.people, r["to"]) for r in d["operations"])
        # What is staged and counted makes nothing usable.
        if not usable and not set(changeable) - {"staging", "quotas"}: self.no("POLICY_UNUSABLE")

    def read(self):
        d = self.doc
        if not self.members(d, ("pleiad_policy", "salt", "principals", "operations"), FIELDS): return
        if d["pleiad_policy"] != 1: self.no("POLICY_VALUE")
        if not re.match(r"[A-Za-z0-9_-]{21}[AQgw]$", d["salt"]): self.codes |= {"JSON_LENGTH", "ENCODING"}
        self.principals()
        if self.codes: return
        self.quorum = d.get("owner_quorum", len(d["principals"]["owner"]))
        if not self.whole(self.quorum, 1, len(d["principals"]["owner"]), "POLICY_UNUSABLE"): return
        # One caller could be two owners.
        single = all(p["kind"] == "passkey" or "spki_sha256" in p or "sub" in p for n, p in self.people.items() if n.startswith("owner/"))
        if self.quorum > 1 and not single: return self.no("POLICY_WEAK")
        self.rules()
        if "staging" in d and self.members(d["staging"], ("by",)): self.staging(d["staging"]["by"])
        if "quotas" in d: self.quotas()
        for field, g in d.get("mutability", {}).items(): self.guard(field, g)
        if not self.codes: self.whole_policy()

def approvals_asked(people, a):
    if a is None: return None
    return (frozenset(named(people, a["of"])), a["at_least"], duration(a["fresh_for"]), a.get("per_issuer", 1), a.get("self", False))

def refusals(document):
    r = Reader(document)
    r.read()
    return r.codes

# ---- Documents with something wrong ---------------------------------------------------------------

A1 = {"of": ["managers/*"], "at_least": 1, "fresh_for": "5m"}

def base():
    return {"pleiad_policy": 1, "salt": "A" * 22, "owner_quorum": 1,
            "principals": {"owner": {"me": by_key("11"), "you": by_key("22")}, "managers": {"ann": by_key("33"), "ben": by_key("55")},
                           "apps": {"one": tee("p")}, "clients": {"ci": by_key("44")}, "platforms": {"dep": by_key("66")}},
            "profiles": {"p": profile("aa")},
            "operations": [{"id": "r", "allow": ["export"], "to": ["apps/one"], "when": {"time": {"days": "mon-fri"}}},
                           {"id": "d", "deny": ["export"], "to": ["*"], "when": {"time": {"from": "2030-01-01T00:00:00Z"}}}],
            "mutability": {"profiles": {"by": ["owner/*"]}, "operations": {"by": ["owner/*"]}}}

def at(path, value):
    """An edit: the member or element at path becomes value; None: it goes."""
    def edit(d):
        *way, last = path.split("/")
        for step in way: d = d[int(step) if isinstance(d, list) else step]
        if value is None: del d[last]
        elif isinstance(d, list): d[int(last)] = value
        else: d[last] = value
    return edit

def when(c, rule=0): return at(f"operations/{rule}/when", c)
def who(p, name="clients/x"): return at("principals/" + name, p)
def guards(field="profiles", **more): return at(f"mutability/{field}", {"by": ["owner/*"], **more})
def both(*edits):
    def edit(d):
        for e in edits: e(d)
    return edit

def nested(depth): return {"time": {"days": "mon"}} if depth == 0 else {"all": [nested(depth - 1)]}
def nots(depth): return {"time": {"days": "mon"}} if depth == 0 else {"not": nots(depth - 1)}
def approvals(**more): return {k: v for k, v in {**A1, **more}.items() if v is not None}
def quota(**more): return {k: v for k, v in {"id": "q", "ops": ["export"], "max": 1, "per": "1h", "by": "key", **more}.items() if v is not None}
def tap(**more): return {k: v for k, v in {**passkey(0, "cred-0"), **more}.items() if v is not None}

EDITS = {
    "key": [
        at("pleiad_policy", 2), at("salt", None), at("salt", "A" * 21), at("salt", "A" * 23), at("more", 1), at("principals/owner", {}), at("principals/owner", None),
        at("principals/bosses", {}), at("principals", None), at("operations", None), at("operations", []), at("mutability", None), at("mutability", {}),
        who(by_key("44")), who(by_key("66")), who(by_key("77")), who({"kind": "key"}), who({"kind": "kee"}), who({"spki_sha256": "77" * 32}), who({**by_key("77"), "more": 1}),
        who(by_key("77"), "clients/a b"), who(by_key("77"), "clients/" + "n" * 31), who(by_key("77"), "clients/" + "n" * 32), who(tee("p", "z")), who(tee("p")),
        at("owner_quorum", 0), at("owner_quorum", 2), at("owner_quorum", 3), at("profiles/z", profile("bb")),
        at("operations/0/id", "d"), at("operations/0/id", "a b"), at("operations/0/id", None), at("operations/0/allow", None), at("operations/0/allow", []),
        at("operations/0/deny", ["export"]), at("operations/0/allow", ["exprot"]), *[at("operations/0/allow", [op]) for op in OPERATIONS],
        *[at("operations/1/deny", [op]) for op in OPERATIONS], at("operations/0/allow", ["export", "export"]),
        at("operations/0/to", None), at("operations/0/to", ["*"]), at("operations/0/to", ["apps"]), at("operations/0/to", ["apps/two"]), at("operations/0/to", ["bosses/*"]),
        at("operations/0/to", ["platforms/dep"]), at("operations/0/to", ["platforms/*"]), at("operations/0/to", []), at("operations/0/to", ["auditors/*"]),
        at("operations/1/to", ["owner/*"]), at("operations/1/to", []), at("operations/1/when", None), when({}), when({"thyme": {}}), when({"time": {}}), when({"all": []}), when({"any": []}),
        when({"time": {"days": "fri-mon"}}), when({"time": {"days": "sun"}}), when({"time": {"days": "mon,tue-sat"}}), when({"time": {"hours": "22:00-06:00"}}), when({"time": {"hours": "00:00-24:00"}}),
        when({"time": {"hours": "00:00-24:01"}}), when({"time": {"hours": "08:60-09:00"}}), when({"time": {"hours": "08:00-08:00"}}), when({"time": {"hours": "23:59-24:00"}}),
        when({"time": {"from": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}}), when({"time": {"from": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:00:01Z"}}),
        when({"attested": {"profile": "p"}}), when({"attested": {"profile": "z"}}), when({"attested": {}}), when({"not": {"attested": {"profile": "p"}}}), when({"attested": {"profile": "p"}}, 1),
        when({"not": {"any": [{"attested": {"profile": "p"}}]}}), when({"any": [{"not": {"time": {"days": "mon"}}}, {"attested": {"profile": "p"}}]}), when({"not": {"not": {"attested": {"profile": "p"}}}}),
        when({"all": [{"any": [{"attested": {"profile": "p"}}]}]}, 1),
        guards(by=["*"]), guards(by=["owner/me"]), guards(by=["owner/me", "owner/you"]), guards(by=[]), guards(by=["owner/*", "managers/*"]), guards("apps"), guards("principals.apps"), guards("mutability"),
        guards("principals.owner", by=["managers/*"]), guards("narrow", by=["managers/*"]), guards("narrow", by=[]), guards("narrow", by=["*"]), guards("narrow", by=["platforms/dep"]),
        guards("lifecycle_acts", by=["managers/ann"]), guards("lifecycle_acts", by=["managers/*", "owner/*"]), guards("lifecycle_acts"), guards("lifecycle_acts", by=["*"]),
        guards("profiles", more=1), guards("profiles", by=["nobody/x"]), at("lifecycle", {"sealed": True}), both(at("lifecycle", {"sealed": True}), at("mutability", {})),
        both(at("lifecycle", {"sealed": True}), at("mutability", {"narrow": {"by": ["owner/*"]}})), both(at("lifecycle", {"sealed": True}), at("mutability", None)),
        both(at("owner_quorum", 2), guards(by=["owner/me"]), guards("operations", by=["owner/me"])), both(at("operations", []), at("mutability", {"staging": {"by": ["owner/*"]}})),
        both(at("operations", []), at("mutability", {"profiles": {"by": ["owner/*"]}})), both(at("operations", []), at("mutability", {"profiles": {"by": ["auditors/*"]}})),
        both(at("mutability", {}), at("lifecycle", {"sealed": False})), at("operations", [{"id": f"r{i}", "allow": ["export"], "to": ["owner/me"]} for i in range(64)]),
        at("operations", [{"id": f"r{i}", "allow": ["export"], "to": ["owner/me"]} for i in range(65)]),
        at("principals/auditors", {f"a{i}": by_key(f"{i + 128:02x}") for i in range(57)}), at("principals/auditors", {f"a{i}": by_key(f"{i + 128:02x}") for i in range(58)}),
    ],
    "forms": [
        when({"attested": {"profile": "p", "more": 1}}), when(nested(4)), when(nested(5)), when(nested(6)), when(nots(5)), when(nots(6)), who(by_key("77"), "clients/" + "n" * 30), at("principals/clients/", by_key("77")),
        when({"time": {"hours": "0800-0900"}}), when({"time": {"hours": "08:00-9:00"}}), when({"time": {"hours": "08:00-09:00:00"}}), when({"time": {"days": "mon,"}}), when({"time": {"days": "monday"}}),
        when({"time": {"hours": "07:59-08:00"}}), when({"time": {"more": 1}}), guards("narrow", more=1), at("mutability/narrow", {}), at("owner_quorum", 2**32)],
    "approvals": [when({"approvals": approvals(**more)}) for more in (
        {}, {"at_least": 0}, {"at_least": None}, {"at_least": -1}, {"at_least": 2}, {"at_least": 3}, {"at_least": 17}, {"at_least": "1"}, {"fresh_for": None}, {"fresh_for": "0s"}, {"fresh_for": "1h"}, {"fresh_for": "60m"},
        {"fresh_for": "61m"}, {"fresh_for": "3601s"}, {"fresh_for": "3600s"}, {"fresh_for": "1d"}, {"fresh_for": "5"}, {"fresh_for": "m"}, {"of": []}, {"of": None}, {"of": ["auditors/*"]}, {"of": ["apps/one"]},
        {"of": ["apps/*", "managers/*"]}, {"of": ["*"]}, {"of": ["managers/zoe"]}, {"of": ["platforms/dep"]}, {"of": ["managers/ann"], "at_least": 2}, {"of": ["managers/ann", "managers/*"], "at_least": 2},
        {"per_issuer": 0}, {"per_issuer": 1}, {"per_issuer": 16}, {"per_issuer": 17}, {"per_issuer": 2, "at_least": 3}, {"self": True}, {"self": False}, {"more": 1}, {"of": ["clients/ci"], "at_least": 1})]
        + [when({"not": {"approvals": A1}}), when({"approvals": A1}, 1), when({"all": [{"approvals": A1}, {"time": {"days": "mon"}}]}), when({"any": [{"not": {"approvals": A1}}]})],
    "guard": [guards(approvals=A1), both(guards(approvals=A1), guards("operations", approvals=A1)), both(guards(approvals=A1), guards("operations", approvals=approvals(at_least=2))),
              both(guards(approvals=approvals(fresh_for="300s")), guards("operations", approvals=A1)), both(guards(approvals=A1), guards("operations", approvals=approvals(self=True))),
              both(guards(approvals=A1), guards("operations", approvals=approvals(of=["managers/ann", "managers/ben"]))), both(guards(approvals=A1), guards("operations", approvals=approvals(of=["managers/ann"]))),
              both(guards(approvals=A1), guards("operations", approvals=approvals(per_issuer=2))), both(guards(approvals=A1), guards("operations", approvals=approvals(per_issuer=1, self=False))),
              guards("narrow", approvals=A1), guards("lifecycle_acts", approvals=A1), guards("lifecycle_acts", by=["managers/ann"], approvals=A1), guards("lifecycle_acts", by=["managers/ann"], approvals=approvals(self=True)), guards("narrow", approvals=approvals(at_least=0)),
              guards("lifecycle_acts", approvals=approvals(at_least=3)), both(guards(approvals=A1), guards("operations", approvals=A1), guards("principals.managers", approvals=A1)),
              both(guards(approvals=A1), guards("operations", approvals=A1), guards("principals.managers"))],
    "passkey": [who(tap(**more)) for more in ({}, {"rp_id": None}, {"origins": None}, {"origins": []}, {"origins": [f"https://o{i}.example" for i in range(8)]}, {"origins": [f"https://o{i}.example" for i in range(9)]},
                {"public_key": "AAAA"}, {"public_key": None}, {"credential_id": None}, {"strict_counter": True}, {"strict_counter": False}, {"credential_id": ""}, {"more": 1})]
               + [both(who(tap(), "clients/x"), who(tap(credential_id=b64u(b"other")), "clients/y")), 
                  both(who(tap(), "clients/x"), who(passkey(1, "cred-1"), "clients/y")), both(who(tap(), "clients/x"), who({"kind": "key", "spki_sha256": COSE[0][1]}, "clients/y")),
                  both(who({"kind": "key", "spki_sha256": COSE[0][1]}, "clients/a"), who(tap(), "clients/b")), both(who(tap(), "clients/x"), who(tap(rp_id="b.example", public_key=COSE[1][0]), "clients/y"))],
    "oidc": [who(oidc(A, sub="s")), who(oidc(A, roles=["r"])), who(oidc(A)), who(oidc(A, sub="s", roles=["r"])), who(oidc(A, roles=[])), who(oidc(A, roles=[f"r{i}" for i in range(16)])),
             who(oidc(A, roles=[f"r{i}" for i in range(17)])), who({"kind": "oidc", "sub": "s"}), who(oidc(A, sub="s", bare_bearer=True)), who(oidc(A, sub="s", more=1)),
             both(who(oidc(A, sub="s")), who(oidc(A, sub="s"), "clients/y")), both(who(oidc(A, sub="s")), who(oidc(B, sub="s"), "clients/y")), both(who(oidc(A, roles=["a", "b"])), who(oidc(A, roles=["b", "a"]), "clients/y")),
             both(who(oidc(A, roles=["a"])), who(oidc(A, roles=["a", "b"]), "clients/y"))]
            + [both(at("owner_quorum", n), who(p, "owner/x")) for n in (1, 2, None) for p in (oidc(A, roles=["r"]), oidc(A, sub="s"), tee("p"))],
    "ca": [who(by_ca("aa", "ci.example")), who(by_ca("aa", "dns:")), who(by_ca("aa", "uri:a")), who(by_ca("aa", "email:a@b")), who(by_ca("aa", "dns:a.example")), who({"kind": "key", "ca_sha256": key("aa")}), who({"kind": "key", "san": "dns:a.example"}), who({**by_ca("aa", "dns:a.example"), "spki_sha256": key("77")}),
           both(who(by_ca("aa", "dns:a.example")), who(by_ca("aa", "dns:b.example"), "clients/y")), both(who(by_ca("aa", "dns:a.example")), who(by_ca("aa", "dns:a.example"), "clients/y")),
           both(who(by_ca("aa", "dns:a.example")), who(by_ca("ab", "dns:a.example"), "clients/y"))],
    "role": [when({"role": r}) for r in ({"of": ["managers"]}, {"of": ["platforms"]}, {"of": []}, {"of": ["bosses"]}, {"of": ["managers/*"]}, {"oidc": ["a"], "issuer": A}, {"oidc": [], "issuer": A}, {"oidc": ["a"]}, {"issuer": A}, {},
             {"of": ["owner"], "oidc": ["a"], "issuer": A}, {"of": ["owner", "auditors", "apps", "clients"]})] + [when({"role": {"of": ["owner"]}}, 1), when({"not": {"role": {"of": ["owner"]}}})],
    "step_up": [when({"step_up": s}) for s in ({"fresh_for": "5m"}, {}, {"fresh_for": "2h"}, {"fresh_for": "1h", "amr": ["hwk"]}, {"fresh_for": "1h", "amr": []}, {"fresh_for": "5m", "more": 1}, {"amr": ["hwk"]})]
               + [when({"step_up": {"fresh_for": "5m"}}, 1), when({"not": {"step_up": {"fresh_for": "5m"}}})],
    "vault": [when({"vault": v}, i) for i in (0, 1) for v in ({"vendor": "intel"}, {"label": "a=b"}, {"vendor": "intel", "label": "a=b"}, {}, {"label": "ab"}, {"label": "a="}, {"label": "=ab"}, {"label": "a=b"}, {"label": "a=" + "b" * 126},
                                                        {"label": "a=" + "b" * 127}, {"vendor": "acme"}, {"vendor": "sim"}, {"more": 1})] + [when({"not": {"vault": {"vendor": "amd"}}})],
    "staging": [at("staging", s) for s in ({"by": ["owner/*"]}, {"by": ["platforms/dep"]}, {"by": ["platforms/*", "managers/ann"]}, {}, {"by": ["platforms/x"]}, {"by": ["owner/*"], "more": 1}, {"by": []}, {"by": ["*"]})]
               + [both(at("staging", {"by": ["owner/*"]}), at("mutability/profiles", None)), both(at("staging", {"by": ["owner/*"]}), at("mutability", None)),
                  both(at("staging", {"by": ["owner/*"]}), at("mutability", None), at("lifecycle", {"sealed": True}))],
    "quotas": [at("quotas", [quota(**more)]) for more in ({}, {"max": 0}, {"max": 2**32 - 1}, {"max": 2**32}, {"per": "0s"}, {"per": "1s"}, {"per": "366d"}, {"per": "367d"}, {"by": "principal"}, {"by": "owner"}, {"ops": []},
               {"ops": ["exprot"]}, {"ops": ["delete"]}, {"ops": ["create"]}, {"ops": ["list"]}, {"ops": ["describe"]}, {"ops": ["stage"]}, {"id": None}, {"id": "a b"}, {"more": 1}, {"max": None}, {"per": None}, {"by": None}, {"ops": None})]
              + [at("quotas", []), at("quotas", [quota(), quota(id="s")]), at("quotas", [quota(), quota()]), at("quotas", [quota(id=f"q{i}") for i in range(16)]), at("quotas", [quota(id=f"q{i}") for i in range(17)])],
}

def check(d, pieces, write):
    """Each edit alone: documents for which the C and the second loader differ, and how many there were."""
    wrong, count = [], 0
    for piece, edits in EDITS.items():
        for i, edit in enumerate(edits if piece in ("key", "forms") or piece in pieces else ()):
            document = copy.deepcopy(base())
            edit(document)
            why, answer = refusals(document), d.load(document)
            count += 1
            write("P " + json.dumps(document), " ".join(answer.split(" ")[:3]) if why else answer)
            if (not why) != (d.order is not None) or (why and answer.split()[1] not in why):
                wrong.append((piece, i, sorted(why), answer, document))
    return wrong, count
