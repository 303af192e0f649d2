#!/bin/bash
# pleiad key and vault: split, recover, look after a key; every vault's evidence shown.
. "$(dirname "$0")/lib.sh"
examples=$(cd "$(dirname "$0")/../../examples" && pwd)
export PLEIAD_HOME=$work/home PLEIAD_SIM_SOCKET=$work/home/machine-0/simd.sock
trap '"$PLEIAD" dev down > /dev/null 2>&1; rm -rf "$work"' EXIT
cd "$work" || exit 99
app() { "$PLEIAD" sim run --as keeper --measured anchor.json -- "$PLEIAD" "$@"; }
into() { local to=$1; shift; "$@" > "$to"; }

ok "no list yet" run 1 "$PLEIAD" vault list
ok "a constellation" run 0 "$PLEIAD" dev up --vaults 3
ok "the list" run 0 "$PLEIAD" vault list
ok "has three vaults" test "$(grep -cE '^[0-9a-f]{64} ' "$work/out")" = 3
ok "as JSON" run 0 "$PLEIAD" vault list --json
ok "which parses" python3 -c 'import json,sys; assert len(json.load(open(sys.argv[1]))) == 3' "$work/out"
ok "each one's evidence verifies" run 0 "$PLEIAD" vault verify --config "$PLEIAD_HOME/config.json"
ok "and says what it is" prints 'sim-sgx'
"$PLEIAD" dev up --dir other --vaults 1 > /dev/null 2>&1
ok "another configuration is noticed" run 1 "$PLEIAD" vault verify --config other/config.json
ok "by name" says 'VAULT_CONFIG'
ok "vaults of another authority do not verify" run 1 "$PLEIAD" vault verify "$(sed 's/.*@//' other/vaults)"
"$PLEIAD" dev down --dir other > /dev/null 2>&1

ok "anchor" into anchor.json "$PLEIAD" identity anchor
"$PLEIAD" sim measure --as keeper --measured anchor.json -- "$PLEIAD" > keeper.profile
ok "grant" run 0 "$PLEIAD" grant issue --policy "$examples/disk.json" --set profiles.billing-v1=@keeper.profile --out grant.json
printf 'a secret of the keeper' > secret
ok "split" run 0 app key split --name backup -k 2 -n 3 --grant grant.json --anchor anchor.json --descriptor backup.key --report < secret
ok "it says what each vault did" says 'verified, used'
ok "a descriptor is not overwritten" run 1 app key split --name backup -k 2 -n 3 --grant grant.json --anchor anchor.json --descriptor backup.key < secret
ok "recover" run 0 app key recover --anchor anchor.json --descriptor backup.key
ok "gives the secret back" cmp "$work/out" secret
ok "status" run 0 app key status --anchor anchor.json --descriptor backup.key
ok "all three are active" test "$(grep -c active "$work/out")" = 3
ok "outside of its TEE nobody recovers" run 3 "$PLEIAD" key recover --anchor anchor.json --descriptor backup.key
ok "nothing came out" test ! -s "$work/out"
ok "a generated secret" run 0 app key split --json --name drawn --generate 48 -k 2 -n 3 --grant grant.json --anchor anchor.json --descriptor drawn.key
ok "where it went, as JSON" python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); assert d["descriptor"]=="drawn.key" and [v["used"] for v in d["vaults"]]==[True]*3' "$work/out"
ok "recover it" run 0 app key recover --anchor anchor.json --descriptor drawn.key
ok "by its name" run 0 app key recover --name drawn --anchor anchor.json --descriptor drawn.key
ok "another key of this instance is not taken for it" run 1 app key recover --name backup --anchor anchor.json --descriptor drawn.key
ok "by name of the error" says 'ANCHOR_KEY'
ok "and nothing came out of it" test ! -s "$work/out"
ok "nor is it deleted in its place" run 1 app key delete --name backup --anchor anchor.json --descriptor drawn.key
ok "recover once more" run 0 app key recover --name drawn --anchor anchor.json --descriptor drawn.key
ok "48 bytes" test "$(stat -c %s "$work/out")" = 48
ok "more vaults than there are" run 3 app key split --name more --generate 32 -n 4 --grant grant.json --anchor anchor.json --descriptor more.key
ok "no descriptor stays" test ! -e more.key
ok "-k above -n: usage" run 2 app key split --name x -k 3 -n 2 --grant grant.json --anchor anchor.json --descriptor x.key
ok "the app may not delete: the policy does not let it" run 3 app key delete --anchor anchor.json --descriptor backup.key
ok "it is still there" run 0 app key recover --anchor anchor.json --descriptor backup.key
kill -9 "$(cut -d' ' -f1 "$PLEIAD_HOME/run/vault-1.pid")"
ok "with one vault gone" run 0 app key recover --anchor anchor.json --descriptor backup.key
ok "the same secret" cmp "$work/out" secret
kill -STOP "$(cut -d' ' -f1 "$PLEIAD_HOME/run/vault-2.pid")"
script -qec "'$PLEIAD' sim run --as keeper --measured anchor.json -- '$PLEIAD' key recover --deadline 3000 --anchor anchor.json --descriptor backup.key > none" /dev/null > shown < /dev/null
ok "a person who waits sees for what" grep -q 'waiting for vaults, answered [0-9] of 3' shown
ok "and nothing came out" test ! -s none
kill -9 "$(cut -d' ' -f1 "$PLEIAD_HOME/run/vault-2.pid")"
ok "with two gone, too few" run 3 app key recover --anchor anchor.json --descriptor backup.key
ok "each is named" says 'NET_CONNECT|no connection'
finish
