"""Recover: who is believed, what is checked, and what one bad vault can do. TAP."""
import concurrent.futures
import copy
import json
import os
import re
import shutil
import signal
import subprocess
import time

import world as w


def share_of(r, i, vault):
    return next(v for v in r["vaults"] if v["vault_id"] == vault["id"])


SECRET = "00112233445566778899aabbccddeeff"


def whys(r):
    return {v["why"] for v in r.get("vaults", [])}


def plain(x, t):
    r = x.app("split")
    t.ok(r["exit"] == 0 and all(v["used"] and v["state"] == "active" for v in r["vaults"]), "split 2 of 4", r)
    r = x.app("recover")
    t.ok(r["exit"] == 0 and r["secret"] == SECRET, "recover", r)
    r = x.app("status")
    t.ok(r["exit"] == 0 and [v["state"] for v in r["vaults"]] == ["active"] * 4, "status at each", r)
    text = open(x.path("disk.pleiad")).read()
    t.ok(SECRET not in text and oct(os.stat(x.path("disk.pleiad")).st_mode)[-3:] == "600", "the descriptor has no secret")
    left = [f for f in os.listdir(x.dir) if f.startswith("disk.pleiad.")]
    t.ok(not left, "no file of the split stays", left)


def moved(x, ports):
    """PLACES with some vaults at other ports."""
    return " ".join(f"{v['id']}@127.0.0.1:{ports.get(i, v['port'])}" for i, v in enumerate(x.vaults))


def silent(x, t):
    s = w.Silent()
    for who in range(4):
        r = x.app("recover", PLACES=moved(x, {who: s.port}))
        t.ok(r["exit"] == 0 and r["secret"] == SECRET and r["ms"] < 4500, f"vault {who} silent: no deadline is waited for", r)
    r = x.app("recover", PLACES=moved(x, {0: s.port, 1: s.port}))
    t.ok(r["exit"] == 0, "two silent of four, two needed", r)
    r = x.app("recover", PLACES=moved(x, {0: s.port, 1: s.port, 2: s.port}), DEADLINE="1500")
    t.ok(r["error"] == "RECOVER_FEW" and 1400 <= r["ms"] < 5000, "three silent: named at the deadline", r)
    named = [v["why"] for v in r["vaults"] if v["why"]]
    t.ok(len(named) == 3 and all(n.startswith("NET_") for n in named), "each silent vault and its cause", r)
    s.close()
    r = x.app("recover", PLACES=moved(x, {0: 1, 1: 1, 2: 1}))
    t.ok(r["error"] == "RECOVER_FEW" and r["ms"] < 4500 and whys(r) >= {"NET_CONNECT"}, "three refuse: said at once", r)


def anchors(x, t):
    good = x.profile(x.vaults[0])
    cases = [("other owner", "ANCHOR_OWNER", dict(key="other.pem"), [good]),
             ("other instance", "ANCHOR_KEY", dict(id="22" * 32), [good]),
             ("other key id", "ANCHOR_KEY", dict(kind="key", id="22" * 32), [good])]
    for name, code, args, profiles in cases:
        x.anchor("bad.json", *profiles, **args)
        r = x.app("recover", ANCHOR=x.path("bad.json"))
        t.ok(r["error"] == code and all(v["step"] == "nothing" for v in r["vaults"]), f"anchor of {name}: nothing is sent", r)
    other = copy.deepcopy(good)
    other["measurements"]["mrenclave"] = ["ab" * 32]
    root = copy.deepcopy(good)
    root["config_root"] = ["cd" * 32]
    for name, code, profile in ("another program", "PROFILE_MEASUREMENT", other), \
                               ("another configuration", "PROFILE_CONFIG_ROOT", root):
        x.anchor("bad.json", profile)
        r = x.app("recover", ANCHOR=x.path("bad.json"))
        t.ok(r["error"] == "RECOVER_FEW" and whys(r) == {code} and all(v["step"] == "connecting" for v in r["vaults"]),
             f"a vault profile of {name}", r)
    x.anchor("any.json", x.profile(x.vaults[0], config_root=False))
    r = x.app("recover", ANCHOR=x.path("any.json"))
    t.ok(r["error"] == "ANCHOR_CONFIG", "a profile without configuration root", r)
    r = x.app("recover", ANCHOR=x.path("any.json"), ANY_CONFIG="1")
    t.ok(r["exit"] == 0, "passes under its insecure name only", r)
    r = x.app("recover", BOUND="ab" * 32)
    t.ok(r["error"] == "ANCHOR_BOUND" and all(v["step"] == "nothing" for v in r["vaults"]), "bound to something else", r)
    a, b = x.vaults[0]["port"], x.vaults[1]["port"]
    r = x.app("recover", PLACES=moved(x, {0: b, 1: a}), LINGER="2000")
    t.ok(r["exit"] == 0 and whys(r) == {"", "VAULT_OTHER"}, "another vault at the address", r)


def callers(x, t):
    r = x.run([x.probe, "recover"], OWNER="1", ANCHOR=x.path("anchor.json"), DESCRIPTOR=x.path("disk.pleiad"))
    t.ok(r["error"] == "RECOVER_FEW" and whys(r) == {"DENIED"}, "a caller without evidence", r)
    r = x.app("recover", name="billing2")
    t.ok(r["error"] == "RECOVER_FEW" and whys(r) == {"DENIED"}, "an app of another name", r)
    r = x.app("recover", measured=[x.path("anchor.json")])
    t.ok(r["error"] == "RECOVER_FEW" and whys(r) == {"DENIED"}, "an app with another measured input", r)
    code = bytearray(open(x.probe, "rb").read())
    code.append(0)  # one byte more is another program
    changed = x.path("client_probe")
    with open(changed, "wb") as f:
        f.write(code)
    os.chmod(changed, 0o700)
    r = x.app("recover", probe=changed)
    t.ok(r["error"] == "RECOVER_FEW" and whys(r) == {"DENIED"}, "a changed build of the app", r)


def damaged(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        swap = "B" if value[:1] == "A" else "A"
        return swap + value[1:] if not all(c in "0123456789abcdef" for c in value) else ("1" if value[0] == "0" else "0") + value[1:]
    return value


CODES = {"bound": "ANCHOR_BOUND", "generation": "ANCHOR_COMMITMENT", "split_id": "ANCHOR_COMMITMENT",
         "link_secret": "ANCHOR_COMMITMENT", "key_id": "ANCHOR_KEY", "name": "ANCHOR_KEY", "n": "DESCRIPTOR_FORM",
         "k": "SHARE_CHECK", "handle": "DESCRIPTOR_MAC", "policy_sha256": "DESCRIPTOR_MAC",
         "profile_sha256": "DESCRIPTOR_MAC", "vault_id": "DESCRIPTOR_MAC"}


def forged(x, t):
    """Statements that say the right thing, signed by somebody else than the vault's listed key."""
    file = json.load(open(x.path("disk.pleiad")))
    places = file["descriptor"]["vaults"]
    with open(x.path("statements"), "w") as f:
        for v in places:
            f.write(json.dumps(v["statement"]["statement"], sort_keys=True, separators=(",", ":")) + "\n")
    made = x.owner("forge", x.path("statements"), x.path("other.pem"), x.path("carriers"))
    for v, line in zip(places, open(x.path("carriers"))):
        v["statement"] = json.loads(line)
    with open(x.path("bad.pleiad"), "w") as f:
        json.dump(file, f, sort_keys=True, separators=(",", ":"))
    r = x.app("recover", DESCRIPTOR=x.path("bad.pleiad"))
    t.ok(made["exit"] == 0 and r["error"] == "RECOVER_FEW" and whys(r) == {"ANCHOR_STATEMENT"}, "statements that the vaults did not sign", r)


def rebound(x, t):
    """A volume of somebody else's: its header asks for another `bound`, and the descriptor agrees."""
    file = json.load(open(x.path("disk.pleiad")))
    file["descriptor"]["bound"] = "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo"
    with open(x.path("bad.pleiad"), "w") as f:
        json.dump(file, f, sort_keys=True, separators=(",", ":"))
    r = x.app("recover", DESCRIPTOR=x.path("bad.pleiad"), BOUND="aa" * 32)
    t.ok(r["error"] == "ANCHOR_COMMITMENT" and all(v["step"] == "nothing" for v in r["vaults"]), "bound to another volume in descriptor and header", r)


def relayed(x, t):
    """A vault of the right measurement whose session evidence is for another connection."""
    os.environ["PL_LIE"] = "session"
    false = x.vault("false", x.machine("false-machine"), vaultd=w.env_path("LYING"))
    del os.environ["PL_LIE"]
    x.anchor("false.json", x.profile(x.vaults[0]), x.lying_profile)
    genuine, x.vaults = x.vaults, x.vaults[:1] + [false]
    x.owner("grant", x.path("owner.pem"), w.INSTANCE, x.policy(), x.path("false-grant.json"), *(v["id"] for v in x.vaults))
    r = x.app("split", N="2", ANCHOR=x.path("false.json"), GRANT=x.path("false-grant.json"), DESCRIPTOR=x.path("false.pleiad"))
    seen = share_of(r, 1, false)
    t.ok(r["error"] == "SPLIT_FEW" and seen["step"] == "binding" and seen["why"] != "", "session evidence of another connection: nothing is sent", r)
    x.vaults = genuine


def fields(x, t):
    file = json.load(open(x.path("disk.pleiad")))
    cases = [((k,), "") for k in file["descriptor"] if k not in ("vaults", "typ")]
    cases += [(("vaults", i, k), "") for i in range(4) for k in file["descriptor"]["vaults"][i] if not isinstance(file["descriptor"]["vaults"][i][k], (dict, list))]
    for path, _ in cases:
        bad = copy.deepcopy(file)
        at = bad["descriptor"]
        for k in path[:-1]:
            at = at[k]
        at[path[-1]] = damaged(at[path[-1]])
        with open(x.path("bad.pleiad"), "w") as f:
            json.dump(bad, f, sort_keys=True, separators=(",", ":"))
        r = x.app("recover", DESCRIPTOR=x.path("bad.pleiad"))
        t.ok(r["exit"] == 1 and not r.get("secret") and r["error"] == CODES[path[-1]], f"descriptor with another {'/'.join(map(str, path))}: {r['error']}", r)
    swapped = copy.deepcopy(file)
    v = swapped["descriptor"]["vaults"]
    for k in "certificate", "statement":
        v[0][k], v[1][k] = v[1][k], v[0][k]
        v[2][k], v[3][k] = v[3][k], v[2][k]
    with open(x.path("bad.pleiad"), "w") as f:
        json.dump(swapped, f, sort_keys=True, separators=(",", ":"))
    r = x.app("recover", DESCRIPTOR=x.path("bad.pleiad"))
    t.ok(r["error"] in ("ANCHOR_OWNER", "ANCHOR_STATEMENT") and not r["secret"], "certificates and statements exchanged", r)


def stolen(x, t):
    """Somebody else's key under the same instance and name: descriptor and volume swapped together."""
    x.anchor("thief.json", x.profile(x.vaults[0]), key="other.pem")
    made = x.owner("grant", x.path("other.pem"), w.INSTANCE, x.policy(), x.path("thief-grant.json"), *(v["id"] for v in x.vaults))
    t.ok(made["exit"] == 0, "a thief's grant", made)
    r = x.app("split", ANCHOR=x.path("thief.json"), GRANT=x.path("thief-grant.json"), DESCRIPTOR=x.path("thief.pleiad"))
    t.ok(r["exit"] == 0, "a thief splits a key of his own", r)
    r = x.app("recover", DESCRIPTOR=x.path("thief.pleiad"))
    t.ok(r["error"] == "ANCHOR_OWNER" and all(v["step"] == "nothing" for v in r["vaults"]), "it is refused before anything is sent", r)
    r = x.app("split", GRANT=x.path("thief-grant.json"), DESCRIPTOR=x.path("none.pleiad"))
    t.ok(r["error"] == "SPLIT_GRANT", "a grant of another owner than the anchor's", r)


def lying(x, t):
    """A fifth vault whose program lies, listed beside the genuine ones by one profile."""
    sock = x.machine("liar-machine")
    liar = x.vault("liar", sock, vaultd=w.env_path("LYING"))
    r = x.app("recover", PLACES=x.places())
    x.lying_profile = x.profile(liar)
    honest, x.vaults = x.vaults, x.vaults[:2] + [liar]
    x.anchor("two.json", x.profile(honest[0]), x.profile(liar))
    x.owner("grant", x.path("owner.pem"), w.INSTANCE, x.policy(), x.path("grant2.json"), *(v["id"] for v in x.vaults))
    env = dict(GRANT=x.path("grant2.json"), DESCRIPTOR=x.path("lied.pleiad"), N="3")
    r = x.app("split", **env)
    t.ok(r["error"] == "SPLIT_FEW" and share_of(r, 0, liar)["why"] == "PROFILE_MEASUREMENT", "unlisted, the liar is refused at the channel", r)
    env["ANCHOR"] = x.path("two.json")
    r = x.app("split", **env)
    t.ok(r["exit"] == 0, "listed, it takes a share", r)
    r = x.app("recover", LINGER="3000", **env)
    t.ok(r["exit"] == 0 and r["secret"] == SECRET, "recover with a lying vault", r)
    bad = share_of(r, 0, liar)
    t.ok(bad["wrong"] and bad["why"] == "SHARE_TAG" and sum(v["wrong"] for v in r["vaults"]) == 1, "it is named, alone", r)
    r = x.app("recover", PLACES=" ".join(f"{v['id']}@127.0.0.1:{1 if v is honest[0] else v['port']}" for v in x.vaults), **env)
    t.ok(r["error"] == "RECOVER_FEW" and not r["secret"] and share_of(r, 0, liar)["wrong"], "with one honest vault: no secret, and why", r)
    x.vaults = honest


def example(x, t):
    """examples/recover.c, linked with the shared library, under its own measurement."""
    program, anchor = w.env_path("EXAMPLE"), x.path("anchor.json")
    theirs = json.load(open(x.policy([anchor], program)))
    both = json.load(open(x.policy()))
    x.save("policy.json", theirs)
    made = x.owner("grant", x.path("owner.pem"), w.INSTANCE, x.path("policy.json"), x.path("grant3.json"), *(v["id"] for v in x.vaults))
    r = x.app("split", GRANT=x.path("grant3.json"), DESCRIPTOR=x.path("example.pleiad"))
    t.ok(made["exit"] == 0 and r["error"] == "SPLIT_FEW" and not os.path.exists(x.path("example.pleiad")), "a grant is for the app it names", r)
    measured = [p["profiles"]["billing-v1"]["measurements"]["mrenclave"] for p in (both, theirs)]
    both["profiles"]["billing-v1"]["measurements"]["mrenclave"] = measured[0] + measured[1]
    x.save("policy.json", both)
    x.owner("grant", x.path("owner.pem"), w.INSTANCE, x.path("policy.json"), x.path("grant3.json"), *(v["id"] for v in x.vaults))
    r = x.app("split", GRANT=x.path("grant3.json"), DESCRIPTOR=x.path("example.pleiad"))
    t.ok(r["exit"] == 0, "a key for both programs", r)
    r = x.run([x.pleiad, "sim", "run", "--as", "billing", "--socket", x.app_socket, "--measured", anchor, "--", program,
               x.path("A", "collateral"), x.path("example.pleiad"), x.path("A", "root.pem")])
    t.ok(r["exit"] == 0 and "a key of 16 bytes" in r["error"], "the example recovers it", r)
    r = x.run([x.pleiad, "sim", "run", "--as", "billing", "--socket", x.app_socket, "--measured", anchor, "--", program,
               x.path("A", "collateral"), x.path("disk.pleiad"), x.path("A", "root.pem")])
    t.ok(r["exit"] == 1 and "DENIED" in r["stderr"] and "127.0.0.1:" in r["stderr"], "the example is refused another app's key, and says by whom", r)
    names = subprocess.run(["nm", "-D", "--defined-only", w.env_path("LIBPLEIAD")], capture_output=True, text=True).stdout.split()[2::3]
    header = open(os.path.join(w.env_path("SOURCE"), "include", "pleiad", "pleiad.h")).read()
    declared = {n for n in re.findall(r"\b(pl_\w+)\(", re.sub(r"typedef[^;]*;", "", header))}
    t.ok(set(names) == declared, "the shared library exports what the header declares", set(names) ^ declared)


def killed(x, t):
    x.kill(x.vaults[3])
    r = x.app("recover")
    t.ok(r["exit"] == 0 and r["secret"] == SECRET, "one vault killed", r)
    r = x.app("status")
    t.ok(r["exit"] == 0 and sorted(v["state"] for v in r["vaults"]) == ["", "active", "active", "active"], "status names it", r)


def revoked(x, t):
    """The app's machine is revoked while its connections, bound before, are open."""
    between, crl = x.path("between"), x.path("A", "collateral", "pck_crl.der")
    alive = [v for v in x.vaults if v["process"].poll() is None]
    own = shutil.copytree(x.path("A", "collateral"), x.path("own-collateral"))  # it believes what it did
    with concurrent.futures.ThreadPoolExecutor() as pool:
        later = pool.submit(x.app, "recover", REPEAT="2", BETWEEN=between, COLLATERAL=own)
        t.ok(w.until(lambda: os.path.exists(between)), "the app has recovered once")
        before = open(crl, "rb").read()
        x.machine_process["app"].terminate()
        x.machine_process["app"].wait()
        x.machine("app", "--revoked")
        t.ok(w.until(lambda: open(crl, "rb").read() != before), "the maker revokes its machine")
        for v in alive:
            os.killpg(v["process"].pid, signal.SIGHUP)
        t.ok(w.until(lambda: all("collateral-renewed" in open(v["log"]).read() for v in alive)), "the vaults know it")
        os.unlink(between)
        r = later.result()
    t.ok(r["error"] and not r["secret"] and "" not in whys(r), "nothing more over what was bound before", r)
    r = x.app("recover")
    t.ok(r["error"] and not r["secret"], "nor anew", r)


if __name__ == "__main__":
    w.main([plain, silent, anchors, callers, fields, forged, rebound, stolen, lying, relayed, example, killed, revoked])
