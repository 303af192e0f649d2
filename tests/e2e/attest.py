#!/usr/bin/env python3
"""`pleiad attest verify` on every SGX vector: JSON and exit code against expected.json. TAP."""
import json
import os
import subprocess
import sys
import tempfile

pleiad = os.environ["PLEIAD"]
shared = os.environ.get("PL_SHARED") or sys.argv[1]
vectors = os.path.join(shared, "vectors")
checks = failures = 0


def check(ok, name, why=""):
    global checks, failures
    checks += 1
    failures += not ok
    print(f"{'ok' if ok else 'not ok'} {checks} - {name}{'' if ok else ': ' + why}")


def run(*args):
    r = subprocess.run([pleiad, "attest", "verify", *args, "--json"], capture_output=True, text=True)
    try:
        return r.returncode, json.loads(r.stdout)
    except ValueError:
        return r.returncode, {"result": "no JSON", "stderr": r.stderr}


def floor(want):
    return want["tcb_status"] in ("UpToDate", "SWHardeningNeeded") and not want["debug"]


def same(got, want):
    c = got.get("claims", {})
    pairs = [("tcb_status", got.get("tcb_status")), ("advisory_ids", got.get("advisory_ids")),
             ("tcb_date", got.get("tcb_date")), ("debug", c.get("debug")), ("fmspc", c.get("fmspc")),
             ("mrenclave", c.get("mrenclave")), ("mrsigner", c.get("mrsigner")),
             ("isvprodid", c.get("isv_prod_id")), ("isvsvn", c.get("isv_svn")),
             ("attributes", c.get("attributes")), ("report_data", c.get("report_data"))]
    return [k for k, v in pairs if k in want and want[k] != v]


def quote(folder, roots, tee):
    want = json.load(open(f"{folder}/expected.json"))
    args = ["--evidence", f"{folder}/quote.bin", "--collateral", folder,
            "--at", want.get("verification_time", "2026-01-01T00:00:00Z")]
    code, got = run(*args, *(["--roots", roots] if roots else []))
    ok = want["result"] == "ok"
    wrong = [] if got["result"] == want["result"] else ["result"]
    if ok and not wrong:
        wrong = same(got, want)
        if code != (0 if floor(want) else 1) or got["accepted"] != floor(want):
            wrong.append("exit code")
        if got["claims"]["tee"] != tee:
            wrong.append("tee")
    elif code != 1:
        wrong.append("exit code")
    check(not wrong, os.path.basename(folder), f"{wrong} {got.get('code', '')}")
    if roots:
        code, got = run(*args)
        check(code == 1 and got["result"] == "error", os.path.basename(folder) + " without its root")


def profile(folder, work):
    """The profile decides instead of the default policy, both ways."""
    want = json.load(open(f"{folder}/expected.json"))
    base = {"tee": "sgx", "measurements": {"mrenclave": [want["mrenclave"]]}, "platforms": "any",
            "tcb": [want["tcb_status"]]}
    other = dict(base, measurements={"mrenclave": ["00" * 32]})
    sim = dict(base, tee="sim-sgx")
    for body, exit_code, reason in ((base, 0, None), (other, 1, "PROFILE_MEASUREMENT"),
                                    (sim, 1, "PROFILE_TEE"), (dict(base, x=1), 1, "load")):
        with open(f"{work}/profile.json", "w") as f:
            json.dump(body, f)
        code, got = run("--evidence", f"{folder}/quote.bin", "--collateral", folder, "--at",
                        want["verification_time"], "--profile", f"{work}/profile.json")
        if reason == "load":
            check(code != 0 and got["result"] == "no JSON", "a profile with an unknown field")
        else:
            check(code == exit_code and got.get("reason") == reason,
                  f"profile: {reason or 'accepted'}", str(got)[:200])


def certificate(folder):
    want = json.load(open(f"{folder}/expected.json"))
    code, got = run("--evidence", f"{folder}/cert.der")
    result = "binding" if want["result"] == "ok" else "error"
    check(code == 1 and got["result"] == result, os.path.basename(folder), str(got)[:200])
    if "with_collateral" in want:
        collateral, at = want["with_collateral"].split(" at ")
        code, got = run("--evidence", f"{folder}/cert.der", "--at", at,
                        "--collateral", f"{vectors}/{collateral}")
        verdict = want["quote_verdict"]
        wrong = same(got, verdict) if got["result"] == "ok" else [got.get("code")]
        check(code == 1 and not wrong, os.path.basename(folder) + " with collateral", str(wrong))


def folders(group, prefix=""):
    base = f"{vectors}/{group}"
    return [f"{base}/{d}" for d in sorted(os.listdir(base))
            if d.startswith(prefix) and os.path.isdir(f"{base}/{d}")]


if not os.path.isdir(vectors):
    print("1..0 # SKIP ../shared/vectors is not here")
    sys.exit(0)
for f in folders("sgx"):
    own = os.path.exists(f"{f}/test_root.pem")
    quote(f, f if own else None, "custom-test_root" if own else "sgx")
with tempfile.TemporaryDirectory() as d:
    profile(f"{vectors}/sgx/cmc-v3-c0806f-outofdate", d)
for f in folders("dcap-synthetic", "sgx-"):
    quote(f, f"{vectors}/dcap-synthetic", "custom-test_root")
for f in folders("ratls"):
    certificate(f)
print(f"1..{checks}")
sys.exit(failures > 0)
