"""The C evaluator through tests/policy/driver.c."""
import json, subprocess, sys
from model import F, LETTERS, T, U

GUARD_ORDER = ["principals.owner", "principals.managers", "principals.auditors", "principals.apps",
               "principals.clients", "principals.platforms", "owner_quorum", "profiles",
               "vault_profiles", "operations", "staging", "quotas", "lifecycle", "mutability",
               "lifecycle_acts", "narrow"]

def words(items): return "+".join(items) if items else "-"

def signer(x):
    if x[0] == "oidc":
        iss, sub, roles, amr, auth, bare, iat = x[1:]
        return f"oidc,{iss},{sub},{words(roles)},{words(amr)},{auth},{bare:d},{iat}"
    return ",".join(map(str, x))

class Driver:
    def __init__(self, path):
        self.p = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.order, self.quotas = None, []

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
        """What the C says of a document: "ok ..." or "no CODE POINTER TEXT"."""
        answer = self.ask(["P " + json.dumps(policy)])[0]
        self.order = None
        if answer.startswith("ok"):
            self.order = {n: i for i, n in enumerate(answer[3:].split("|")[0].split())}
            self.quotas = [q["id"] for q in policy.get("quotas", [])]
        return answer

    def room(self, i, of):
        def mask(value):
            if "*" in of: return (1 << 64) - 1 if of["*"] == value else 0
            return sum(1 << self.order[n] for n, v in of.items() if v == value)
        return f" room={i},{mask(T)},{mask(U)}"

    def line(self, s):
        out = [f"S op={s['op']} now={s['now'][0]},{s['now'][1]}"]
        if s["key"]: out.append(f" key={s['key']}")
        if s["ca"]: out.append(f" ca={words(s['ca'])} san={words(s['san'])}")
        if s["claims"]: out.append(" claims=%s,%d,%d" % s["claims"])
        if s["token"]: out.append(" token=" + signer(s["token"]))
        out += [" req=" + signer(x) for x in s["requests"]]
        out += [" app=" + signer(x) for x in s["approvals"]]
        out += [" grant=" + x for x in s["consents"]]
        if s["vault"]:
            if s["vault"][0]: out.append(f" vendor={s['vault'][0]}")
            if s["vault"][1] is not None: out.append(f" labels={words(s['vault'][1])}")
        if s["changes"]: out.append(f" changes={sum(2 << GUARD_ORDER.index(x) for x in s['changes'])}")
        if s["narrows"]: out.append(" narrows=1")
        out += [self.room(self.quotas.index(q), of) for q, of in s["room"].items()]
        return "".join(out)
