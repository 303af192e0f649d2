#!/bin/busybox sh
# shellcheck shell=dash
# The first and only program of the guest: a machine whose data disk opens with a key from four vaults. What it
# says in TAP goes to the second serial line. Boot 1 makes the container, boot 2 is the same machine later.
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /state /data
/bin/busybox --install -s /bin
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t devtmpfs dev /dev
exec < /dev/null > /dev/ttyS1 2>&1
stty -F /dev/ttyS1 -opost
export PATH=/bin HOME=/tmp PLEIAD_HOME=/state/home
boot=$(sed -n 's/.*pl_boot=\([0-9]*\).*/\1/p' /proc/cmdline)
disk=/dev/nvme1n1
far=120000 # milliseconds: processors are emulated here

ok() {
    name=$1
    shift
    if "$@"; then
        echo "ok - $name"
    else
        tail -n 30 /tmp/out /tmp/err 2> /dev/null | sed 's/^/# /'
        echo "not ok - $name"
    fi
}
run() { "$@" > /tmp/out 2> /tmp/err; }
refused() { # status, code, command
    status=$1 code=$2
    shift 2
    "$@" > /tmp/out 2> /tmp/err
    [ $? = "$status" ] && grep -q "\[$code\]" /tmp/err
}
app() { # program, arguments of luks
    program=$1
    shift
    pleiad sim run --as billing --measured /state/anchor.json -- "$program" luks "$@"
}
opens() { app "$1" open --anchor /state/anchor.json --deadline $far --name "$2" $disk; }
mapped() { [ -b "/dev/mapper/$1" ]; }
nothing_mapped() { [ ! -e /sys/block/dm-0 ]; }
by_dm_crypt() { grep -qx "$1" /sys/block/dm-0/dm/name && grep -q ^CRYPT-LUKS2- /sys/block/dm-0/dm/uuid; }
# Programs have twenty seconds to start, which is short where another machine plays this one's processor.
up() {
    for _ in 1 2 3 4 5 6; do
        run pleiad dev up --vaults 4 && return
    done
    return 1
}
silence() { kill -9 "$(cut -d' ' -f1 "$PLEIAD_HOME/run/vault-$1.pid")"; }
# So that an app of this build may have keys, and none of another.
agree() {
    pleiad identity anchor --out /state/anchor.json &&
        pleiad sim measure --as billing --measured /state/anchor.json -- pleiad > /state/billing.profile &&
        pleiad grant issue --policy /disk.json --set profiles.billing-v1=@/state/billing.profile --out /state/grant.json
}
format() { app pleiad format --grant /state/grant.json --anchor /state/anchor.json --deadline $far -k 2 -n 4 $disk; }
keep_data() {
    mkfs.ext4 -q /dev/mapper/data && mount -t ext4 /dev/mapper/data /data &&
        yes "$(cat /marker)" | head -c 1000000 > /data/kept && cp /data/kept /state/kept && umount /data
}
same_data() { mount -t ext4 /dev/mapper/data /data && cmp /data/kept /state/kept; }

first() {
    ok "this kernel maps nothing yet" nothing_mapped
    ok "four vaults, an owner and a machine for the app" up
    ok "the owner's grant" run agree
    ok "the disk is formatted, its key at four vaults" run format
    ok "pleiad luks open --name data" run opens pleiad data
    ok "/dev/mapper/data is a device" mapped data
    ok "which dm-crypt makes of the container" by_dm_crypt data
    ok "a name that is taken" refused 1 LUKS_MAPPER opens pleiad data
    ok "a file system on it, and data" run keep_data
}

second() {
    ok "after the reboot nothing is mapped" nothing_mapped
    ok "the vaults start again" up
    silence 3
    mkdir /changed && cp /bin/pleiad /changed/pleiad && printf x >> /changed/pleiad
    ok "a changed build of the app, one byte more, gets no share" refused 3 RECOVER_FEW opens /changed/pleiad data
    ok "three vaults say so, and one is silent" test "$(grep -c DENIED /tmp/err)" = 3
    ok "and nothing is mapped" nothing_mapped
    ok "pleiad luks open --name data, with a vault missing" run opens pleiad data
    ok "/dev/mapper/data is a device again, of dm-crypt" by_dm_crypt data
    ok "the data is what it was" run same_data
    umount /data
    silence 1
    silence 2
    ok "one vault of four is too few" refused 3 RECOVER_FEW opens pleiad more
    ok "and nothing more is mapped" test ! -e /dev/mapper/more
}

ip link set lo up
for module in /modules/*; do
    insmod "$module"
done
if [ "$boot" = 1 ]; then
    mkfs.ext4 -q /dev/nvme0n1
fi
mount -t ext4 /dev/nvme0n1 /state
case $boot in
1) first ;;
2) second ;;
esac
run pleiad dev down
umount /state
sync
echo "end of boot $boot"
poweroff -f
