#!/bin/bash
# Approvals from end to end: asked for on one machine, signed on others with files only, used at four vaults.
. "$(dirname "$0")/lib.sh"
examples=$(cd "$(dirname "$0")/../../examples" && pwd)
export PLEIAD_HOME=$work/home
trap '"$PLEIAD" dev down > /dev/null 2>&1; rm -rf "$work"' EXIT
cd "$work" || exit 99
json() { python3 -c "import json,sys; d=json.load(open('$work/out')); sys.exit(not ($1))"; }
key() { verb=$1; shift; "$PLEIAD" key "$verb" --as owner --identity asker.pem --anchor anchor.json --descriptor paper.key "$@"; }
ask() { "$PLEIAD" approval request --as owner --identity asker.pem --anchor anchor.json --descriptor paper.key "$@"; }
sign() { PLEIAD_HOME=$work/nowhere "$PLEIAD" approval sign "$1" --identity "$2" --yes --out "$3"; }
none() { test ! -s "$work/out"; }

"$PLEIAD" dev up --vaults 4 > /dev/null
"$PLEIAD" identity anchor --out anchor.json
for who in alice bob eve; do
    "$PLEIAD" identity new --dir "$who" > /dev/null
    mv "$who/owner.pem" "$who.pem"
done
spki() { openssl pkey -in "$1" -pubout -outform DER | sha256sum | cut -d' ' -f1; }
python3 - "$examples/disk.json" "$(spki alice.pem)" "$(spki bob.pem)" << 'END'
import json, sys
policy = json.load(open(sys.argv[1]))
policy["principals"]["managers"] = {n: {"kind": "key", "spki_sha256": s} for n, s in zip(("alice", "bob"), sys.argv[2:])}
two = {"of": ["managers/*"], "at_least": 2, "fresh_for": "30m"}
policy["operations"] += [{"id": "with-two", "allow": ["export"], "to": ["owner/*"], "when": {"approvals": two}},
                         {"id": "read", "allow": ["describe", "list", "read_policy"], "to": ["owner/*"]}]
agree = {"by": ["owner/*"], "approvals": {**two, "at_least": 1}}
policy["mutability"] = {"operations": agree, "lifecycle_acts": agree}
json.dump(policy, open("two.json", "w"))
END
printf 'two agree, or nobody reads this' > secret
ok "the owner splits under a policy that asks for two" run 0 sh -c '"$0" key split -n 4 --anchor anchor.json --policy two.json --name paper --descriptor paper.key < secret' "$PLEIAD"
ok "he alone exports nothing" run 3 "$PLEIAD" key recover --as owner --anchor anchor.json --descriptor paper.key
ok "nothing came out" none

ok "he asks, for a connection key that is made" run 0 ask --out ask.json
ok "a file that is there stays" run 1 ask --out ask.json
ok "looked at" run 0 "$PLEIAD" approval verify --json ask.json
ok "it is for four vaults, and approved by nobody" json 'len(d["vaults"]) == 4 and d["approvals"] == [] and d["state"] == "asked" and "export this key by rule boot, with-two" in d["display"]'
ok "alice, who has files only, reads and signs" run 0 sign ask.json alice.pem alice.json
ok "she was shown what it is and the policy" says 'export this key by rule boot, with-two'
ok "in sentences" says 'managers/alice'
ok "not twice" run 1 sign alice.json alice.pem again.json
ok "without a terminal nobody is asked, nothing signed" run 1 sh -c 'setsid "$0" approval sign ask.json --identity bob.pem < /dev/null' "$PLEIAD"
ok "which is said" says APPROVAL_REFUSED
ok "one is too few" run 3 key recover --approval alice.json
ok "each vault says so" test "$(grep -c DENIED "$work/err")" = 4
ok "a stranger signs too" run 0 sign alice.json eve.pem eve.json
ok "which counts for nobody" run 3 key recover --approval eve.json
ok "bob signs" run 0 sign alice.json bob.pem both.json
ok "the folder is listed" run 0 "$PLEIAD" approval list --json .
ok "with what each is for" json 'sorted((f["file"], len(f["approvals"])) for f in d) == [("alice.json", 1), ("ask.json", 0), ("both.json", 2), ("eve.json", 2)]'
openssl ecparam -name prime256v1 -genkey -noout 2>/dev/null | openssl pkcs8 -topk8 -nocrypt -out other.pem
ok "a stick asked for whom the policy has no passkey of" run 1 "$PLEIAD" approval sign ask.json --fido2 managers/alice --yes
ok "is not looked for" says FIDO2_PERSON
ok "a key and a stick are two approvers" run 2 "$PLEIAD" approval sign ask.json --fido2 managers/alice --identity bob.pem --yes
ok "over another connection it is good for nothing" run 3 "$PLEIAD" key recover --as owner --identity other.pem --anchor anchor.json --descriptor paper.key --approval both.json
ok "which each vault says" test "$(grep -c STATEMENT_REQUESTER "$work/err")" = 4
ok "it is not good for deletion" run 3 key delete --approval both.json
ok "nor was it used up by all that" run 0 key recover --approval both.json --linger 3000
ok "the secret" cmp -s "$work/out" secret
place=$(head -1 home/vaults)
ok "a vault says an approval again" run 0 "$PLEIAD" approval export both.json --by 2 --anchor anchor.json --vault "$place"
ok "as a compact JWS" prints '^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}$'
sed 's/"signature":"..../"signature":"AAAA/' both.json > unsigned.json
ok "what nobody approved no vault says" run 1 "$PLEIAD" approval export unsigned.json --anchor anchor.json --vault "$place"
ok "and why" says SIGNATURE
rm unsigned.json
ok "it is good once" run 3 key recover --approval both.json
ok "which each vault says" test "$(grep -c STATEMENT_SPENT "$work/err")" = 4

ok "asked anew from the file, without a vault" run 0 "$PLEIAD" approval request --like ask.json --op delete --identity asker.pem --out del.json
ok "the owner alone deletes nothing" run 3 key delete --approval del.json
ok "bob agrees" run 0 sign del.json bob.pem del1.json
ok "the deletion is done at all four" run 0 key delete --approval del1.json

sed 's/"op":"delete"/"op":"export"/' del1.json > bad.json
ok "a file that says other than its statement does not hold" run 1 "$PLEIAD" approval verify bad.json
python3 - << 'END'
import json
f = json.load(open("ask.json"))
f["vaults"] = f["vaults"][:3] # a target that nobody is shown
json.dump(f, open("hidden.json", "w"), separators=(",", ":"))
f = json.load(open("alice.json"))
f["approvals"][0]["proof"]["jws"]["signature"] = "A" * 86
json.dump(f, open("forged.json", "w"), separators=(",", ":"))
END
ok "a target that the file does not show is found" run 1 sign hidden.json bob.pem x.json
ok "and named" says APPROVAL_FILE
ok "so is an approval that proves nothing" run 1 "$PLEIAD" approval verify forged.json
ok "and named" says SIGNATURE
finish
