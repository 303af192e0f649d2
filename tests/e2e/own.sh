#!/bin/bash
# The owner at his desk: a split without a grant, with his own key at each vault; what he may see there.
. "$(dirname "$0")/lib.sh"
: "${KILL_AT_LIB?the shim that dies at a change of a file, or empty}"
examples=$(cd "$(dirname "$0")/../../examples" && pwd)
export PLEIAD_HOME=$work/home
trap '"$PLEIAD" dev down > /dev/null 2>&1; rm -rf "$work"' EXIT
cd "$work" || exit 99
json() { python3 -c "import json,sys; d=json.load(open('$work/out')); sys.exit(not ($1))"; }
split() { "$PLEIAD" key split -n 3 --anchor anchor.json --policy own.json --name "$@" < secret; }
recover() { "$PLEIAD" key recover --as owner --anchor anchor.json --descriptor "$1" > again 2> said && cmp secret again; }

"$PLEIAD" dev up --vaults 3 > /dev/null
"$PLEIAD" identity anchor --out anchor.json
python3 - "$examples/disk.json" << 'END'
import json, sys
policy = json.load(open(sys.argv[1]))
policy["operations"].append({"id": "mine", "allow": ["export", "describe"], "to": ["owner/*"]})
json.dump(policy, open("own.json", "w"))
END
printf 'kept by its owner' > secret

ok "nothing is there yet" run 0 "$PLEIAD" key list --json --anchor anchor.json
ok "as JSON" json 'd == []'
ok "neither grant nor policy: usage" run 2 "$PLEIAD" key split --name x --anchor anchor.json --descriptor x.key
ok "both: usage" run 2 split x --grant own.json --descriptor x.key
ok "the owner splits without a grant" run 0 split paper --descriptor paper.key
ok "and recovers" recover paper.key
ok "a name that is no owner of the policy is refused" run 1 split x --owner nobody --descriptor x.key
sed 's/"instance_id":"..../"instance_id":"AAAA/' anchor.json > other.json
ok "with the anchor of another instance it is another key" run 1 "$PLEIAD" key recover --as owner --anchor other.json --descriptor paper.key
ok "which is said" says ANCHOR_KEY
root=$("$PLEIAD" identity show --json | sed 's/.*"owner_spki_sha256":"\([0-9a-f]*\)".*/\1/')
ok "each vault knows another key of his, none the root" python3 -c '
import json, sys
owners = [v["statement"]["statement"]["owners"] for v in json.load(open("paper.key"))["descriptor"]["vaults"]]
one = {o[0] for o in owners}
sys.exit(not (len(owners) == len(one) == 3 and sys.argv[1] not in one))' "$root"
ok "as a stranger nobody recovers" run 3 "$PLEIAD" key recover --anchor anchor.json --descriptor paper.key
ok "nothing came out" test ! -s "$work/out"

# A key of an app, under a grant: the owner sees it beside his own.
app() { "$PLEIAD" sim run --as keeper --measured anchor.json -- "$PLEIAD" "$@"; }
"$PLEIAD" sim measure --as keeper --measured anchor.json -- "$PLEIAD" > keeper.profile
"$PLEIAD" grant issue --policy "$examples/disk.json" --set profiles.billing-v1=@keeper.profile --out grant.json
ok "an app splits" run 0 app key split --name app -n 3 --generate 32 --grant grant.json --anchor anchor.json --descriptor app.key
ok "list" run 0 "$PLEIAD" key list --anchor anchor.json
ok "shows six keys to the owner" test "$(grep -c 'raw_share  active' "$work/out")" = 6
ok "list as the app: the policy does not let it" run 0 app key list --as app --anchor anchor.json
ok "so nothing is shown" test "$(wc -l < "$work/out")" = 1
ok "describe" run 0 "$PLEIAD" key describe --json --anchor anchor.json
ok "tells origins, digests, times" json 'sorted(k["origin"] for k in d) == ["granted"] * 3 + ["imported"] * 3
    and len({k["policy_sha256"] for k in d}) == 6 and all(k["created_earliest"] < k["created_latest"] for k in d)
    and all(k["custody"] == "split" and k["generation"] == 0 for k in d)'
ok "of one descriptor" run 0 "$PLEIAD" key describe --json --anchor anchor.json --descriptor app.key
ok "three, which he may not export" json 'len(d) == 3 and all("export" not in k["allowed"].split(",") for k in d)'
ok "the app describes its own by descriptor" run 0 app key describe --as app --json --anchor anchor.json --descriptor app.key
ok "which it may export" json 'len(d) == 3 and all("export" in k["allowed"].split(",") for k in d)'
ok "but not the owner's" run 3 app key describe --as app --anchor anchor.json --descriptor paper.key
ok "each vault says so" test "$(grep -c DENIED "$work/err")" = 3
ok "a table for people" run 0 "$PLEIAD" key describe --anchor anchor.json
ok "with its heads" prints '^VAULT +HANDLE +TYPE +STATE +CUSTODY +ORIGIN +CREATED'

# Somebody else with the same list of vaults sees nothing.
mkdir -m 700 thief && cp -r home/authority home/vaults home/vaults.profile thief
"$PLEIAD" identity new --dir thief > /dev/null
"$PLEIAD" identity anchor --dir thief --out thief.json
ok "another owner lists" run 0 "$PLEIAD" key list --dir thief --json --anchor thief.json
ok "and sees no key" json 'd == []'
ok "nor describes one by its descriptor" run 3 "$PLEIAD" key describe --dir thief --anchor thief.json --descriptor paper.key
mkdir -m 700 ed && cp -r home/authority home/vaults home/vaults.profile ed
"$PLEIAD" identity new --dir ed --type ed25519 > /dev/null
ok "an Ed25519 owner has no key for a channel" run 1 "$PLEIAD" key list --dir ed --anchor anchor.json
ok "and is told so" says 'P-256.*KEY_FORMAT'

# Killed before each change that it makes to a file; the same command again brings it to its end.
if [ -n "$KILL_AT_LIB" ]; then
    all=good at=0
    while at=$((at + 1)); do
        LD_PRELOAD=$KILL_AT_LIB KILL_AT=$at split "killed$at" --descriptor killed.key > /dev/null 2>&1
        [ $? = 137 ] || break
        run 0 split "killed$at" --descriptor killed.key || all=bad
        recover killed.key || all=bad
        [ "$(echo killed.key*)" = killed.key ] || { echo "# left at change $at: $(echo killed.key*)"; all=bad; }
        rm -f killed.key*
    done
    ok "a split that dies is repeated, wherever it died" test "$all" = good
    ok "and there were moments to die at" test "$at" -gt 8
fi

ok "the owner freezes the app's key" run 0 "$PLEIAD" key freeze --as owner --anchor anchor.json --descriptor app.key
ok "everywhere" test "$(grep -c frozen "$work/out")" = 3
ok "the app gets nothing" run 3 app key recover --anchor anchor.json --descriptor app.key
ok "nothing came out of it" test ! -s "$work/out"
ok "the app may not unfreeze it" run 3 app key unfreeze --anchor anchor.json --descriptor app.key
kill -STOP "$(cut -d' ' -f1 "$PLEIAD_HOME/run/vault-2.pid")"
ok "with a vault silent, two unfreeze" run 3 "$PLEIAD" key unfreeze --json --deadline 1500 --as owner --anchor anchor.json --descriptor app.key
ok "which is told, vault by vault" json 'sorted(v["state"] for v in d) == ["", "active", "active"] and sum(v["error"] != "" for v in d) == 1'
ok "and what to do" says 'KEYS_SOME'
kill -CONT "$(cut -d' ' -f1 "$PLEIAD_HOME/run/vault-2.pid")"
ok "said again it is done everywhere" run 0 "$PLEIAD" key unfreeze --as owner --anchor anchor.json --descriptor app.key
ok "the app has its key again" run 0 app key recover --anchor anchor.json --descriptor app.key
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other.pem 2> /dev/null
ok "somebody with another key freezes nothing" run 3 "$PLEIAD" key freeze --identity other.pem --anchor anchor.json --descriptor app.key
ok "status as the owner" run 0 "$PLEIAD" key status --as owner --anchor anchor.json --descriptor app.key
ok "the owner deletes the app's key" run 0 "$PLEIAD" key delete --as owner --anchor anchor.json --descriptor app.key
ok "and sees that it is deleted" run 0 "$PLEIAD" key describe --json --anchor anchor.json --descriptor app.key
ok "at all three" json '[k["state"] for k in d] == ["deleted"] * 3'
kill -9 "$(cut -d' ' -f1 "$PLEIAD_HOME/run/vault-1.pid")"
ok "with a vault gone, list says so" run 3 "$PLEIAD" key list --json --anchor anchor.json
ok "by name" says 'vault [0-9a-f]{8} .*NET_'
ok "and shows what the others have" json 'len({k["vault_id"] for k in d}) == 2'
ok "the owner still recovers" recover paper.key
finish
