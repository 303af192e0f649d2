#!/usr/bin/env python3
"""A browser approves: the passkey of a manager, over the statement of a file that the owner made, at four vaults. TAP."""
import json
import os
import subprocess
import sys
import tempfile
from browser import Site, ok, plan

PLEIAD = os.environ["PLEIAD"]
HERE = os.path.dirname(os.path.abspath(__file__))


def pleiad(*arguments, stdin=None):
    return subprocess.run([PLEIAD, *arguments], capture_output=True, input=stdin, timeout=120, check=False)


def policy(person, origins):
    with open(os.path.join(HERE, "..", "..", "examples", "disk.json"), encoding="utf-8") as f:
        text = json.load(f)
    text["principals"]["managers"] = {"alice": {**person, "origins": origins}}
    text["operations"] += [
        {"id": "with-alice", "allow": ["export"], "to": ["owner/*"],
         "when": {"approvals": {"of": ["managers/*"], "at_least": 1, "fresh_for": "30m"}}},
        {"id": "read", "allow": ["describe", "list", "read_policy"], "to": ["owner/*"]}]
    with open("policy.json", "w", encoding="utf-8") as f:
        json.dump(text, f)


def split(name):
    with open("secret", "rb") as f:
        return pleiad("key", "split", "-n", "4", "--anchor", "anchor.json", "--policy", "policy.json", "--name", name, "--descriptor",
                      name + ".key", stdin=f.read())


def ask(name):
    asked = pleiad("approval", "request", "--as", "owner", "--identity", "asker.pem", "--anchor", "anchor.json", "--descriptor",
                   name + ".key", "--out", name + ".ask")
    with open(name + ".ask", encoding="utf-8") as f:
        return asked, json.load(f)


def recover(name, file, proof, **change):
    """With the approval that consists of this proof, of this statement or one changed."""
    statement = {**file["statement"], **change}
    carrier = {"proof": proof, "statement": statement}
    with open("approved.json", "w", encoding="utf-8") as f:
        json.dump({**file, "approvals": [carrier]}, f, separators=(",", ":"), sort_keys=True)
    return pleiad("key", "recover", "--as", "owner", "--identity", "asker.pem", "--anchor", "anchor.json", "--descriptor", name + ".key",
                  "--linger", "3000", "--approval", "approved.json")


def canonical(statement):
    return json.dumps(statement, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def approvals(site):
    alice = site.run("register", -7)
    policy(alice, [site.origin])
    done = split("paper")
    ok(done.returncode == 0, "a key whose owner exports it when alice's passkey agrees", done.stderr)
    asked, file = ask("paper")
    ok(asked.returncode == 0 and len(file["vaults"]) == 4, "he asks, for four vaults", asked.stderr)
    alone = pleiad("key", "recover", "--as", "owner", "--identity", "asker.pem", "--anchor", "anchor.json", "--descriptor", "paper.key")
    ok(alone.returncode == 3 and not alone.stdout, "alone he gets nothing", alone.stderr)
    eve = site.run("register", -7)
    other = recover("paper", file, site.run("sign", canonical(file["statement"]), eve))
    ok(other.returncode == 3 and not other.stdout, "nor with another passkey of the same browser", other.stderr)
    proof = site.run("sign", canonical(file["statement"]), alice)
    stolen = recover("paper", file, {"passkey": {**proof["passkey"], "credential_id": eve["credential_id"]}})
    ok(stolen.returncode == 3 and not stolen.stdout, "nor under another credential", stolen.stderr)
    good = recover("paper", file, proof)
    with open("secret", "rb") as f:
        ok(good.returncode == 0 and good.stdout == f.read(), "alice's browser approves: the secret", good.stderr)
    vaults = pleiad("approval", "verify", "--json", "approved.json")
    ok(b'"form":"passkey"' in vaults.stdout and b'"error":""' in vaults.stdout, "the file shows who approved", vaults.stdout)
    again = recover("paper", file, proof)
    ok(again.returncode == 3 and again.stderr.count(b"STATEMENT_SPENT") == 4, "once, as each of four vaults says", again.stderr)

    policy(alice, ["https://vault.example"])
    ok(split("other").returncode == 0, "a key whose alice approves at another origin")
    _, file = ask("other")
    refused = recover("other", file, site.run("sign", canonical(file["statement"]), alice))
    ok(refused.returncode == 3 and not refused.stdout, "what she signed here is good for nothing there", refused.stderr)


def main():
    with tempfile.TemporaryDirectory(prefix="pleiad-passkey.") as work:
        os.chdir(work)
        os.environ["PLEIAD_HOME"] = os.path.join(work, "home")
        with open("secret", "wb") as f:
            f.write(b"a tap, or nobody reads this")
        try:
            up = pleiad("dev", "up", "--vaults", "4")
            ok(up.returncode == 0, "four vaults", up.stderr)
            pleiad("identity", "anchor", "--out", "anchor.json")
            with Site() as site:
                approvals(site)
        finally:
            pleiad("dev", "down")
            os.chdir("/")
    return plan(11)


if __name__ == "__main__":
    sys.exit(main())
