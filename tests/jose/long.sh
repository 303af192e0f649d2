#!/bin/bash
# An approval of a vault's own word, verified by the library `jose` from npm, whose version and digest
# package-lock.json pins. Three simulated vaults; needs the npm registry.
root=$(cd "$(dirname "$0")/../.." && pwd)
[ -n "${PLEIAD-}" ] || { "$root/ci/meson.py" build gcc > /dev/null || exit 1; }
export PLEIAD=${PLEIAD:-$root/build/bin/pleiad}
. "$root/tests/e2e/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
export PLEIAD_HOME=$work/home
trap '"$PLEIAD" dev down > /dev/null 2>&1; rm -rf "$work"' EXIT
cd "$work" || exit 99
cp "$here"/package.json "$here"/package-lock.json "$here"/verify.mjs .
ok "jose is installed as pinned" run 0 npm ci --no-audit --no-fund --ignore-scripts
"$PLEIAD" dev up --vaults 3 > /dev/null
"$PLEIAD" identity anchor --out anchor.json
"$PLEIAD" identity new --dir alice > /dev/null
python3 - "$here/../../examples/disk.json" << 'END'
import json, sys
policy = json.load(open(sys.argv[1]))
policy["operations"].append({"id": "mine", "allow": ["export", "read_policy"], "to": ["owner/*"]})
json.dump(policy, open("own.json", "w"))
END
echo secret | "$PLEIAD" key split -n 3 --anchor anchor.json --policy own.json --name paper --descriptor paper.key
ok "asked" run 0 "$PLEIAD" approval request --as owner --identity me.pem --anchor anchor.json --descriptor paper.key --out ask.json
ok "approved" run 0 "$PLEIAD" approval sign ask.json --identity alice/owner.pem --yes --out yes.json
place=$(head -1 home/vaults)
vault=${place%%@*}
ok "a vault says it again" run 0 "$PLEIAD" approval export yes.json --anchor anchor.json --vault "$place" --audience build-farm --jwks vault.jwks
cp out approved.jws
who=$(openssl pkey -in alice/owner.pem -pubout -outform DER | sha256sum | cut -d' ' -f1)
ok "jose says the same of it" run 0 node verify.mjs approved.jws vault.jwks "$vault" build-farm "$who"
sed 's/^/# /' out
ok "the approval was not used up by that" run 0 "$PLEIAD" key recover --as owner --identity me.pem --approval yes.json --anchor anchor.json --descriptor paper.key
sed 's/"signature":"..../"signature":"AAAA/' yes.json > forged.json
ok "what is not approved no vault says" run 1 "$PLEIAD" approval export forged.json --anchor anchor.json --vault "$place"
finish
