#!/bin/bash
# Where simulated hardware ends: what knows hardware alone finds no TEE in a simulated one, by no
# name, option or variable; and no variable brings code into a process that was measured.
. "$(dirname "$0")/../e2e/lib.sh"
: "${PLEIAD:?}" "${SIMD:?}" "${VAULTD:?}" "${VAULTD_SIM:?}" "${HARDWARE_APP:?}" "${APP:?}" "${PROVIDER:?}"
"$SIMD" --new-authority "$work/A" > /dev/null || exit 99
mkdir -m 700 "$work/m"
"$SIMD" --dir "$work/m" --authority "$work/A" > /dev/null 2>&1 &
machine=$!
trap 'kill $machine; wait $machine; rm -rf "$work"' EXIT
for _ in $(seq 600); do [ -S "$work/m/simd.sock" ] && break; sleep 0.05; done

inside() { run "$1" "$PLEIAD" sim run --as vault --socket "$work/m/simd.sock" -- "${@:2}"; }
# A vault that starts serves until it is told to stop: here it is stopped at once.
starts() {
    "$PLEIAD" sim run --as vault --socket "$work/m/simd.sock" -- "$@" --listen 127.0.0.1:0 2> "$work/err" > "$work/out" &
    pid=$!
    for _ in $(seq 600); do
        grep -q '"ready"' "$work/err" && break
        kill -0 "$pid" 2> /dev/null || return 1
        sleep 0.05
    done
    kill "$pid"
    wait "$pid"
}

ln -s "$VAULTD" "$work/pleiad-vaultd-sim"
cp "$VAULTD" "$work/vault"
start=(--dir "$work/v" --listen 127.0.0.1:0)
ok "a simulated vault starts in a simulated TEE" starts "$VAULTD_SIM" --dir "$work/sim"
ok "a vault does not" inside 1 "$VAULTD" "${start[@]}"
ok "it says that there is none" says 'TEE_NONE'
ok "nor when it is told to" inside 1 "$VAULTD" "${start[@]}" --tee sim
ok "it says what it has" says 'TEE_NONE'
ok "nor under the other's name" inside 1 "$work/pleiad-vaultd-sim" "${start[@]}"
ok "nor as a copy" inside 1 "$work/vault" "${start[@]}"
ok "it left nothing behind" test ! -e "$work/v"
ok "an app of the production library does not find one" inside 1 "$HARDWARE_APP"
ok "it says so" says '^TEE_NONE none'
ok "its version says which is which" run 0 "$VAULTD_SIM" --version
ok "simulated" prints '\(TEE: sim\)'
ok "and not" run 0 "$VAULTD" --version
ok "hardware, of which this build knows none" prints '\(TEE: none\)'

cat > "$work/openssl.cnf" << END
openssl_conf = init
[init]
providers = list
[list]
planted = planted
default = default
[planted]
module = $PROVIDER
activate = 1
[default]
activate = 1
END
export PL_MARK=$work/mark OPENSSL_CONF=$work/openssl.cnf
openssl version -d > /dev/null 2>&1
openssl list -providers > /dev/null 2>&1
ok "OpenSSL's own program loads what its configuration says" grep -q openssl "$work/mark"
rm -f "$work/mark"
ok "with that configuration a vault starts" starts "$VAULTD_SIM" --dir "$work/sim"
ok "an app is opened" inside 1 "$HARDWARE_APP"
ok "a production vault too" inside 1 "$VAULTD" "${start[@]}"
ok "and an app in a simulated TEE" inside 0 "$APP" keygen "$work/key.pem"
ok "none of them loads it" test ! -e "$work/mark"
finish
