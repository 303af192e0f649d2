#!/bin/bash
# The units of systemd: systemd itself finds nothing wrong, and each line that confines is there.
# usage: units.sh UNITS VAULTD REGISTRYD
PLEIAD=none
. "$(dirname "$0")/lib.sh"
units=$1

# The program is not installed yet: the unit names the one that was built.
verifies() {
    built=$(realpath "$2")
    sed "s|/usr/sbin/$1 |$built |" "$units/$1.service" > "$work/$1.service"
    grep -qF "ExecStart=$built " "$work/$1.service" || { echo "# $1 is started from elsewhere"; return 1; }
    run 0 systemd-analyze --man=no --recursive-errors=no verify "$work/$1.service" || return 1
    [ -s "$work/err" ] || return 0
    sed 's/^/#   /' "$work/err"
    return 1
}

confines() {
    for line in NoNewPrivileges=yes CapabilityBoundingSet= ProtectSystem=strict PrivateTmp=yes \
        MemoryDenyWriteExecute=yes SystemCallFilter=@system-service LimitCORE=0 UMask=0077 \
        StateDirectoryMode=0700 Restart=on-failure StartLimitBurst=5; do
        grep -qxF "$line" "$units/$1.service" || { echo "# $1 lacks $line"; return 1; }
    done
    grep -qE '^RestrictAddressFamilies=AF_INET' "$units/$1.service" &&
        grep -qE '^LimitMEMLOCK=[0-9]+M$' "$units/$1.service"
}

for unit in pleiad-vaultd pleiad-registryd; do
    ok "$unit is confined" confines "$unit"
done
if command -v systemd-analyze > /dev/null; then
    ok "systemd accepts pleiad-vaultd" verifies pleiad-vaultd "$2"
    ok "systemd accepts pleiad-registryd" verifies pleiad-registryd "$3"
else
    for unit in pleiad-vaultd pleiad-registryd; do
        checks=$((checks + 1))
        echo "ok $checks - systemd accepts $unit # SKIP no systemd-analyze here"
    done
fi
finish
