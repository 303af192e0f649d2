#!/bin/bash
# pleiad policy diff, show and set: another policy at all vaults of a key, wherever the command died.
. "$(dirname "$0")/lib.sh"
examples=$(cd "$(dirname "$0")/../../examples" && pwd)
export PLEIAD_HOME=$work/home
trap '"$PLEIAD" dev down > /dev/null 2>&1; rm -rf "$work"' EXIT
cd "$work" || exit 99
json() { python3 -c "import json,sys; d=json.load(open('$work/out')); sys.exit(not ($1))"; }
set_to() { local doc=$1; shift; "$PLEIAD" policy set --anchor anchor.json --descriptor paper.key "$@" "$doc"; }
show() { run 0 "$PLEIAD" policy show --json --anchor anchor.json --descriptor paper.key; }

"$PLEIAD" dev up --vaults 3 > /dev/null
"$PLEIAD" identity anchor --out anchor.json
# Policies that differ in what the owner may do by himself; each lets him change the rules.
n=0
for may in '"export", "describe"' '"describe"' '"export", "describe", "audit"'; do
    n=$((n + 1))
    python3 - "$examples/disk.json" "$may" << 'END' > "own$n.json"
import json, sys
policy = json.load(open(sys.argv[1]))
policy["operations"].append({"id": "mine", "allow": json.loads("[" + sys.argv[2] + "]"), "to": ["owner/*"]})
print(json.dumps(policy))
END
done
printf 'kept by its owner' > secret
"$PLEIAD" key split -n 3 --anchor anchor.json --policy own1.json --name paper --descriptor paper.key < secret

ok "less is said to be less" run 0 "$PLEIAD" policy diff own1.json own2.json
ok "by its place" prints 'takes away  /operations/mine/allow'
ok "more is not" run 0 "$PLEIAD" policy diff --json own2.json own1.json
ok "also for programs" json 'd["takes_away"] is False and d["differences"][0]["pointer"] == "/operations/mine/allow"'
ok "show" show
ok "the first version everywhere, each with its own salt and owner" json 'len(d) == 3 and {v["version"] for v in d} == {1}
    and len({v["policy"]["salt"] for v in d}) == len({v["policy"]["principals"]["owner"]["me"]["spki_sha256"] for v in d}) == 3'
ok "without a word of assent nothing changes" run 1 set_to own2.json < /dev/null
ok "what would change was shown" prints 'takes away  /operations/mine/allow'
ok "set" run 0 set_to own2.json --yes
ok "all three changed" test "$(grep -c changed "$work/out")" = 3
ok "the owner recovers no more" run 3 "$PLEIAD" key recover --as owner --anchor anchor.json --descriptor paper.key
ok "the same once more changes nothing" run 0 set_to own2.json --yes --json
ok "and says so" json '{v["version"] for v in d} == {2}'
sed 's/"owner\/\*"/"nobody\/*"/' own1.json > bad.json
ok "a policy that does not load is refused before anything is sent" run 1 set_to bad.json --yes
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other.pem 2> /dev/null
ok "somebody else sees and changes nothing" run 3 set_to own1.json --yes --identity other.pem

kill -STOP "$(cut -d' ' -f1 "$PLEIAD_HOME/run/vault-1.pid")"
ok "with a vault silent the others change" run 3 set_to own1.json --yes --deadline 1500
ok "and it is named" says 'vault [0-9a-f]{8} .*NET_'
kill -CONT "$(cut -d' ' -f1 "$PLEIAD_HOME/run/vault-1.pid")"
ok "given again it does the rest" run 0 set_to own1.json --yes
ok "show again" show
ok "all have the third version" json '{v["version"] for v in d} == {3} and {v["policy"]["operations"][-1]["allow"][0] for v in d} == {"export"}'
ok "the old descriptor still leads to the secret" run 0 "$PLEIAD" key recover --as owner --anchor anchor.json --descriptor paper.key
ok "the same" cmp "$work/out" secret

# Killed at some moment of its work; the same command again brings every vault to the same policy.
all=good versions=''
for at in 0.05 0.1 0.15 0.2 0.3 0.4 0.5 0.7; do
    want=own3.json; [ "$(grep -c audit <<< "$versions")" = 0 ] || want=own1.json
    timeout -s KILL "$at" "$PLEIAD" policy set --yes --anchor anchor.json --descriptor paper.key "$want" > /dev/null 2>&1
    run 0 set_to "$want" --yes && show || all=bad
    versions=$(python3 -c "import json; print({json.dumps(v['policy']['operations']) for v in json.load(open('$work/out'))})")
    json 'len({v["version"] for v in d}) == 1 and len({json.dumps(v["policy"]["operations"]) for v in d}) == 1' || all=bad
done
ok "killed and given again, every vault has the same policy, changed once" test "$all" = good
finish
