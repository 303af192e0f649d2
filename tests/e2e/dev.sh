#!/bin/bash
# pleiad dev: up, status, down; a killed vault, a stranger's pid, a second up, refusals.
. "$(dirname "$0")/lib.sh"
export PLEIAD_HOME=$work/home
trap '"$PLEIAD" dev down > /dev/null 2>&1; rm -rf "$work"' EXIT
pid_of() { cut -d' ' -f1 "$PLEIAD_HOME/run/$1.pid"; }
running() { kill -0 "$(pid_of "$1")" 2> /dev/null; }

ok "status without a constellation is refused" run 1 "$PLEIAD" dev status
ok "it says what to do" says 'pleiad dev up.*DEV_NONE'
issuer='{"issuer":"https://id.example","audience":"pleiad","keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"'
echo "[$issuer,\"d\":\"AA\"}]}]" > "$work/issuers"
ok "issuers with a private key are refused" run 1 "$PLEIAD" dev up --vaults 2 --issuers "$work/issuers"
ok "the place is named" says 'config\.json at /issuers/0/keys/0/d.*JSON_UNKNOWN'
echo "[$issuer}]}]" > "$work/issuers"
ok "up" run 0 "$PLEIAD" dev up --vaults 2 --issuers "$work/issuers"
ok "the vaults believe that issuer" grep -q '"issuers":\[{"audience":"pleiad","issuer":"https://id.example"' "$PLEIAD_HOME/config.json"
ok "it shows the vaults" prints 'vault-2 .*127\.0\.0\.1:[0-9]+ +running, pid'
ok "it says that it is simulated" prints 'nothing here protects a real secret'
ok "the folder is closed to others" test "$(stat -c %a "$PLEIAD_HOME")" = 700
ok "so is the owner's key" test "$(stat -c %a "$PLEIAD_HOME/owner.pem")" = 600
ok "the list has both vaults" test "$(grep -cE '^[0-9a-f]{64}@127\.0\.0\.1:[0-9]+$' "$PLEIAD_HOME/vaults")" = 2
ok "vaults were born under the configuration" test \
    "$(grep -l '"state":"serving"' "$PLEIAD_HOME"/log/vault-*.log | wc -l)" = 2
root=$(sed -n 's/.*"config_root":\["\([0-9a-f]*\)"\].*/\1/p' "$PLEIAD_HOME/vaults.profile")
ok "the profile pins the configuration root that they serve" grep -q "\"config_root\":\"$root\"" \
    "$PLEIAD_HOME/log/vault-1.log"
ok "status" run 0 "$PLEIAD" dev status --json
ok "status is JSON" python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); assert len(d["vaults"])==2' "$work/out"
before=$(cat "$PLEIAD_HOME/vaults")
kill -9 "$(pid_of vault-1)"
ok "a killed vault is seen" run 3 "$PLEIAD" dev status
ok "up starts it again" run 0 "$PLEIAD" dev up
ok "it runs" running vault-1
ok "same vaults, same addresses" test "$before" = "$(cat "$PLEIAD_HOME/vaults")"
ok "another number of vaults is refused" run 2 "$PLEIAD" dev up --vaults 3
ok "so are other issuers" run 1 "$PLEIAD" dev up --issuers "$work/issuers"

# A pid file that names somebody else's process: number in use, other beginning.
vault=$(pid_of vault-1)
machine=$(pid_of machine-1)
ok "the vault is stopped by hand" kill "$vault"
tail -f /dev/null & stranger=$!
echo "$stranger 1" > "$PLEIAD_HOME/run/vault-1.pid"
ok "down" run 0 "$PLEIAD" dev down
ok "five of ours ended" prints '^5 processes ended'
ok "the stranger lives" kill -0 "$stranger"
kill "$stranger"
ok "the machine does not" bash -c '! readlink -e "/proc/$0/exe"' "$machine" # or waits to be reaped
ok "no pid file stays" test -z "$(ls -A "$PLEIAD_HOME/run")"
ok "down again finds nothing" run 0 "$PLEIAD" dev down
ok "up again after it" run 0 "$PLEIAD" dev up
ok "with what was there before" test "$before" = "$(cat "$PLEIAD_HOME/vaults")"
ok "down at last" run 0 "$PLEIAD" dev down

# A vault that cannot start is named, and nothing half-started stays behind.
echo '{}' > "$PLEIAD_HOME/config.json"
ok "a vault that refuses its configuration: up fails" run 1 "$PLEIAD" dev up
ok "its log is named" says 'log/vault-1\.log: .*DEV_START'
ok "and it does not run" test ! -e "$PLEIAD_HOME/run/vault-1.pid"
finish
