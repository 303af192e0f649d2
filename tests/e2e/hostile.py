#!/usr/bin/python3
"""Whoever carries approvals to vaults, or receives them as one vault of four, is hostile: edits each field of each
message in turn, drops, repeats, reorders, replays at other vaults, keys, operations and connections. She has all
that passes; not the keys of the approvers, and of the asker's only what a connection of his lets her say."""
import copy, json, os, re, shutil, subprocess, sys, tempfile

PLEIAD, KIT, SOURCE = (os.environ[n] for n in ("PLEIAD", "KIT", "SOURCE"))
work = tempfile.mkdtemp(prefix="pleiad-test.")
home = os.path.join(work, "home")
env = {**os.environ, "PLEIAD_HOME": home}
checks = failures = 0


def ok(name, good, *why):
    global checks, failures
    checks += 1
    failures += not good
    print("%s %d - %s" % ("ok" if good else "not ok", checks, name), flush=True)
    for line in () if good else why:
        print("#  ", str(line)[:1500], flush=True)
    return good


def path(*parts):
    return os.path.join(work, *parts)


def pleiad(*args, **more):
    return subprocess.run([PLEIAD, *args], env=env, cwd=work, check=True, capture_output=True, **more)


class Client:
    """A caller that is not ours: curl, over one connection, with a key of its own."""

    def __init__(self, name):
        self.dir = path(name)
        os.mkdir(self.dir)
        subprocess.run([KIT, self.dir, "72000"], check=True)
        self.spki = open(self.dir + "/spki").read()
        self.key, cert = self.dir + "/key.pem", self.dir + "/cert.pem"
        for kind, what, out in (("pkey", "key", self.key), ("x509", "cert", cert)):
            subprocess.run(["openssl", kind, "-inform", "DER", "-in", f"{self.dir}/{what}.der", "-out", out], check=True)
        os.chmod(self.key, 0o600)
        self.common = ["silent", "insecure", "http2", 'max-time = "20"', f'cert = "{cert}"', f'key = "{self.key}"',
                       'write-out = "\\n%{http_code}\\n"', 'header = "Content-Type: application/json"']

    def calls(self, requests):
        """(status, text) of each (method, url, body)."""
        lines = []
        for i, (method, url, body) in enumerate(requests):
            name = f"{self.dir}/{i}"
            open(name, "w").write(body)
            lines += ["next"] * bool(lines) + self.common + [f'request = "{method}"', f'url = "{url}"', f'data-binary = "@{name}"']
        out = subprocess.run(["curl", "-K", "-"], input="\n".join(lines), text=True, stdout=subprocess.PIPE).stdout.split("\n")
        return [(int(s), b) for b, s in zip(out[0::2], out[1::2])]


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def other_char(c):
    return {"a": "b", "0": "1", "A": "B"}.get(c, "a" if c.islower() else "0" if c.isdigit() else "A")


def edits(value, at=""):
    """Every field in turn: (where and what, the whole with this one edit)."""
    if isinstance(value, str):
        for i in sorted({0, len(value) // 2, len(value) - 1}):
            yield f"{at}[{i}]", value[:i] + other_char(value[i]) + value[i + 1:]
        yield f"{at} empty", ""
    if isinstance(value, dict):
        for k in value:
            yield f"{at}/{k} dropped", {n: v for n, v in value.items() if n != k}
            for name, v in edits(value[k], f"{at}/{k}"):
                yield name, {**value, k: v}
        yield f"{at} one more", {**value, "zz": 1}
    if isinstance(value, list):
        yield f"{at} one dropped", value[1:]
        yield f"{at} one twice", value[:1] + value
        yield f"{at} reordered", value[::-1]
        for i, item in enumerate(value):
            for name, v in edits(item, f"{at}/{i}"):
                yield name, value[:i] + [v] + value[i + 1:]


def set_up():
    pleiad("dev", "up", "--vaults", "4")
    pleiad("identity", "anchor", "--out", "anchor.json")
    policy = json.load(open(os.path.join(SOURCE, "examples", "disk.json")))
    people = {}
    for who in ("alice", "bob"):
        told = json.loads(pleiad("identity", "new", "--json", "--dir", who).stdout)
        people[who] = {"kind": "key", "spki_sha256": told["owner_spki_sha256"]}
    asker, mallory = Client("asker"), Client("mallory")
    policy["principals"]["managers"] = people
    policy["principals"]["clients"] = {"asker": {"kind": "key", "spki_sha256": asker.spki}}
    two = {"approvals": {"of": ["managers/*"], "at_least": 2, "fresh_for": "1h"}}
    policy["operations"] += [{"id": "two", "allow": ["export"], "to": ["clients/asker"], "when": two},
                             {"id": "read", "allow": ["describe", "read_policy"], "to": ["clients/asker"]}]
    json.dump(policy, open(path("two.json"), "w"))
    for name in ("key", "other"):
        pleiad("key", "split", "-n", "4", "--anchor", "anchor.json", "--policy", "two.json", "--name", name, "--descriptor", name, input=b"s3cret")
    return asker, mallory


def approve(asker, out):
    """What alice and bob agree to, as the carriers that vaults are sent."""
    pleiad("approval", "request", "--identity", asker.key, "--anchor", "anchor.json", "--descriptor", "key", "--minutes", "50", "--out", out + ".ask")
    pleiad("approval", "sign", out + ".ask", "--identity", "alice/owner.pem", "--yes", "--out", out + ".one")
    pleiad("approval", "sign", out + ".one", "--identity", "bob/owner.pem", "--yes", "--out", out)
    return json.load(open(path(out)))["approvals"]


def urls(descriptor):
    """Where the key is, by vault."""
    ports = {}
    for line in open(os.path.join(home, "vaults")):
        vault, _, place = line.strip().partition("@")
        ports[vault] = place
    vaults = json.load(open(path(descriptor)))["descriptor"]["vaults"]
    return [f"https://{ports[v['vault_id']]}/v1/keys/{v['handle']}" for v in vaults]


def nothing(got):
    """Those that gave anything."""
    return [(i, s, b) for i, (s, b) in enumerate(got) if s < 400 or '"share"' in b]


def edited(asker, at, carriers):
    """A relay that sits on the asker's own connection, and changes what he says."""
    tried = [(n, {"statements": s}) for n, s in edits(carriers) if not re.fullmatch(r" (one twice|reordered)", n)]
    got = asker.calls([("POST", at[0] + "/export", compact(b)) for _, b in tried])
    gave = [(tried[i][0], s, b) for i, s, b in nothing(got)]
    ok(f"each of {len(tried)} edits is refused", len(got) == len(tried) > 150 and not gave, gave[:5], len(got))


def fewer(asker, at, carriers):
    one, two = carriers
    forged = copy.deepcopy(two)
    forged["proof"] = one["proof"]
    bodies = [{}, {"statements": [one]}, {"statements": [two]}, {"statements": [one, one]}, {"statements": [one] * 16},
              {"statements": [one, forged]}, {"statements": [one, two] * 9}]
    for i, url in enumerate(at):
        got = asker.calls([("POST", url + "/export", compact(b)) for b in bodies])
        ok(f"vault {i}: none, one, the same twice, a proof of another, too many: refused", len(got) == len(bodies) and not nothing(got), nothing(got))


def elsewhere(asker, mallory, at, other, carriers):
    """A vault that got them asks the others; or uses them for something else."""
    body = compact({"statements": carriers})
    for i, url in enumerate(at):
        got = mallory.calls([("POST", u + "/export", body) for u in at] + [("POST", u + "/export", body) for u in other])
        if not ok(f"vault {i} gets nothing from any by what it was sent", len(got) == 8 and not nothing(got), nothing(got)):
            return
    acts = [("DELETE", ""), ("POST", "/freeze"), ("POST", "/unfreeze"), ("POST", "/activate")]
    got = asker.calls([(m, u + rest, body) for u in at for m, rest in acts])
    ok("for another operation they are good at no vault", len(got) == 16 and not nothing(got), nothing(got))
    got = asker.calls([("POST", u + "/export", body) for u in other])
    ok("nor for another key", len(got) == 4 and not nothing(got), nothing(got))
    swapped = [u.rsplit("/", 1)[0] + "/" + at[(i + 1) % 4].rsplit("/", 1)[1] for i, u in enumerate(at)]
    got = asker.calls([("POST", u + "/export", body) for u in swapped])
    ok("nor for the handle of another vault", len(got) == 4 and not nothing(got), nothing(got))


def mixed(asker, at, carriers, later):
    """Parts of two requests that are both good."""
    a, b = copy.deepcopy(carriers[0]), copy.deepcopy(later[0])
    cross = [{**a, "proof": b["proof"]}, {**a, "statement": b["statement"]}]
    for k in a["statement"]:
        if a["statement"][k] != b["statement"][k]:
            cross.append({**a, "statement": {**a["statement"], k: b["statement"][k]}})
    got = asker.calls([("POST", at[0] + "/export", compact({"statements": [c, carriers[1]]})) for c in cross])
    ok(f"parts of two, mixed in {len(cross)} ways, are none", len(got) == len(cross) >= 4 and not nothing(got), nothing(got))


def used(asker, at, carriers):
    """None of all that used anything up; then each is good once, in either order."""
    body = [compact({"statements": s}) for s in (carriers, carriers[::-1])]
    for i, url in enumerate(at):
        got = asker.calls([("POST", url + "/export", body[i % 2])] + [("POST", url + "/export", b) for b in body])
        ok(f"vault {i}: good, once", [s for s, _ in got] == [200, 403, 403] and '"share"' in got[0][1] and "statement-spent" in got[1][1], got)


def restarted(asker, carriers):
    pleiad("dev", "down")
    pleiad("dev", "up")
    body = compact({"statements": carriers})
    got = asker.calls([("POST", u + "/export", body) for u in urls("key")])
    ok("and after a restart not again", [s for s, _ in got] == [403] * 4 and all("statement-spent" in b for _, b in got), got)


def main():
    try:
        asker, mallory = set_up()
        carriers, later = approve(asker, "now"), approve(asker, "later")
        at, other = urls("key"), urls("other")
        edited(asker, at, carriers)
        fewer(asker, at, carriers)
        elsewhere(asker, mallory, at, other, carriers)
        mixed(asker, at, carriers, later)
        used(asker, at, carriers)
        restarted(asker, carriers)
    finally:
        subprocess.run([PLEIAD, "dev", "down"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(work, ignore_errors=True)
    print("1..%d" % checks)
    return 1 if failures or not checks else 0


sys.exit(main())
