#!/bin/bash
# pleiad identity and grant: an owner without vaults, anchors and grants that verify, and refusals.
. "$(dirname "$0")/lib.sh"
examples=$(cd "$(dirname "$0")/../../examples" && pwd)
export PLEIAD_HOME=$work/home
trap '"$PLEIAD" dev down > /dev/null 2>&1; rm -rf "$work"' EXIT
cd "$work" || exit 99
profile() { "$PLEIAD" sim measure --as billing -- "$PLEIAD" > "$1"; }

ok "no identity yet" run 1 "$PLEIAD" identity show
ok "new" run 0 "$PLEIAD" identity new
ok "its key is closed to others" test "$(stat -c %a "$PLEIAD_HOME/owner.pem")" = 600
cp "$PLEIAD_HOME/owner.pem" kept
ok "a second one is refused" run 1 "$PLEIAD" identity new
ok "and replaces nothing" cmp -s kept "$PLEIAD_HOME/owner.pem"
ok "an Ed25519 owner" run 0 "$PLEIAD" identity new --dir other --type ed25519
ok "is another" bash -c '! cmp -s <("$0" identity show) <("$0" identity show --dir other)' "$PLEIAD"
ok "show as JSON" run 0 "$PLEIAD" identity show --json
owner=$(sed 's/.*"owner_spki_sha256":"\([0-9a-f]*\)".*/\1/' "$work/out")
ok "openssl agrees on the hash" test "$owner" = \
    "$(openssl pkey -in "$PLEIAD_HOME/owner.pem" -pubout -outform DER | sha256sum | cut -d' ' -f1)"
ok "an anchor needs profiles of vaults" run 1 "$PLEIAD" identity anchor
profile unpinned
ok "a profile that pins no configuration is printed all the same" run 0 "$PLEIAD" identity anchor --profile unpinned

ok "a constellation for this owner" run 0 "$PLEIAD" dev up --vaults 2
ok "which keeps the key" cmp -s kept "$PLEIAD_HOME/owner.pem"
ok "anchor" run 0 "$PLEIAD" identity anchor --out anchor.json
ok "it names the profile of the vaults" grep -q '"config_root"' anchor.json
ok "an anchor is not overwritten" run 1 "$PLEIAD" identity anchor --out anchor.json
profile billing.profile
ok "grant" run 0 "$PLEIAD" grant issue --policy "$examples/disk.json" \
    --set profiles.billing-v1=@billing.profile --days 2 --out grant.json
ok "it verifies" run 0 "$PLEIAD" grant show grant.json
ok "and names the owner" prints "$owner"
ok "as JSON it has both vaults" bash -c '"$0" grant show --json grant.json |
    python3 -c "import json,sys; assert len(json.load(sys.stdin)[\"vaults\"]) == 2"' "$PLEIAD"
sed 's/"never"/"2030-01-01T00:00:00Z"/' grant.json > altered.json
ok "a grant whose policy was altered does not verify" run 1 "$PLEIAD" grant show altered.json
ok "no app named: usage" run 2 "$PLEIAD" grant issue --policy "$examples/disk.json"
ok "--set of something else: usage" run 2 "$PLEIAD" grant issue --policy "$examples/disk.json" --set salt=@x
ok "a profile that is not there is refused" run 1 "$PLEIAD" grant issue --policy "$examples/disk.json" \
    --profile nobody
ok "a missing file is named" run 1 "$PLEIAD" grant issue --policy none.json --profile x
ok "by its name" says 'none.json'
finish
