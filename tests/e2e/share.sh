#!/bin/bash
# pleiad share: round trips, and every way to fail with its message.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 99
share=("$PLEIAD" share)

# An implementation of its own of the plain format: reads shares, prints the secret.
cat > plain.py <<'P'
import sys
def mul(a, b):
    r = 0
    for i in range(8):
        r ^= (a << i) * (b >> i & 1)
    for i in range(15, 7, -1):
        if r >> i & 1:
            r ^= 0x11b << (i - 8)
    return r
def inverse(a):
    return next(b for b in range(256) if mul(a, b) == 1)
shares = [open(f, 'rb').read() for f in sys.argv[1:]]
secret = bytearray(len(shares[0]) - 1)
for s in shares:
    w = 1
    for o in shares:
        if o[0] != s[0]:
            w = mul(w, mul(o[0], inverse(s[0] ^ o[0])))
    for i, y in enumerate(s[1:]):
        secret[i] ^= mul(w, y)
sys.stdout.buffer.write(secret)
P
flip() { # file offset: flips a bit of that byte
    python3 -c 'import sys; f = open(sys.argv[1], "r+b"); b = bytearray(f.read()); b[int(sys.argv[2])] ^= 1; f.seek(0); f.write(b)' "$1" "$2"
}

printf 'a disk key of 32 bytes, or so it is' > secret
split() { # exit dir k n [options]
    want=$1 dir=$2 k=$3 n=$4; shift 4
    run "$want" "${share[@]}" split -k "$k" -n "$n" --out-dir "$dir" "$@" < secret
}
combines() { run 0 "${share[@]}" combine "$@" && cmp -s "$work/out" secret; }
refused() { code=$1; shift; run 1 "${share[@]}" combine "$@" && [ ! -s "$work/out" ] && says "\\[$code\\]\$"; }

ok "split 3 of 5" split 0 a 3 5
ok "it prints the files" test "$(cat "$work/out")" = "$(printf 'a/share-%d.share\n' 1 2 3 4 5)"
ok "files are private" test "$(stat -c %a a a/* | sort -u | tr '\n' ' ')" = "600 700 "
ok "a file is header, x and y of the packed secret" test "$(stat -c %s a/share-1.share)" = $((27 + 128))
ok "it begins as documented" test "$(head -c 8 a/share-1.share)" = PLSHARE1
ok "k and n stand in it" test "$(od -An -tu1 -j24 -N2 a/share-1.share | tr -d ' ')" = 35
ok "nothing of the secret stands in it" bash -c '! grep -q disk a/*'
ok "three combine" combines a/share-1.share a/share-3.share a/share-5.share
ok "another three combine, in another order" combines a/share-4.share a/share-2.share a/share-1.share
ok "five combine" combines a/*
ok "a secret file is private and new" run 0 "${share[@]}" combine --out got a/*
ok "it holds the secret" cmp got secret
ok "its mode is 0600" test "$(stat -c %a got)" = 600
ok "it is not overwritten" run 1 "${share[@]}" combine --out got a/*
ok "and that is said" says 'got: .*\[FILE_EXISTS\]'
ok "two splits differ" bash -c "'$PLEIAD' share split -k 3 -n 5 --out-dir b < secret > /dev/null && ! cmp -s a/share-1.share b/share-1.share"

ok "too few shares" refused SHARE_FEW a/share-1.share a/share-2.share
ok "says how many are needed" says '3 needed, 2 given'
ok "one share" refused SHARE_FEW a/share-1.share
ok "shares of different splits" refused SHARE_SPLIT a/share-1.share a/share-2.share b/share-3.share
ok "names both" says 'b/share-3.share: .*unlike a/share-1.share'
ok "the same share twice" refused SHARE_POINT a/share-1.share a/share-2.share a/share-1.share
ok "names both" says 'a/share-1.share: .*as in a/share-1.share'
cp -r a c; flip c/share-2.share 24
ok "k differs" refused SHARE_HEAD c/share-1.share c/share-2.share c/share-3.share
ok "names the file and both counts" says 'c/share-2.share: .*2 of 5 here, 3 of 5 in c/share-1.share'
rm -r c; cp -r a c; head -c 91 a/share-3.share > c/share-3.share
ok "length impossible" refused SHARE_LENGTH c/share-1.share c/share-2.share c/share-3.share
head -c 123 a/share-3.share > c/share-3.share
ok "length differs" refused SHARE_LENGTH c/share-1.share c/share-2.share c/share-3.share
ok "names both" says 'c/share-3.share: .*unlike c/share-1.share'
rm -r c; cp -r a c; flip c/share-2.share 60
ok "a wrong share among three is detected" refused SHARE_CHECK c/share-1.share c/share-2.share c/share-3.share
ok "a wrong share among four is named" combines c/share-1.share c/share-2.share c/share-3.share c/share-4.share
ok "by its file, alone" test "$(grep -c 'wrong' "$work/err"):$(grep -c '^pleiad: c/share-2.share: this share is wrong' "$work/err")" = 1:1
ok "named in JSON too" run 0 "${share[@]}" combine --json --out got2 c/*
ok "as JSON" test "$(cat "$work/out")" = '{"bytes":35,"wrong":["c/share-2.share"]}'
python3 - <<'P' # an x that no other share has: x is random, and one that collides is another error
import glob
used = {open(f, 'rb').read()[26] for f in glob.glob('c/*')}
with open('c/share-1.share', 'r+b') as f:
    f.seek(26)
    f.write(bytes([next(x for x in range(1, 256) if x not in used)]))
P
ok "an x that was altered is found as well" combines c/*
flip c/share-5.share 100
ok "too many wrong ones are refused" refused SHARE_CHECK c/*
rm -r c; cp -r a c; for i in 1 2 3 4 5; do flip c/share-$i.share 9; done
ok "another split id in all files is detected" refused SHARE_CHECK c/*
ok "no share file" refused SHARE_FILE secret a/share-1.share
ok "an empty file" refused SHARE_FILE /dev/null a/share-1.share
ok "a missing file" refused FILE_MISSING a/share-1.share a/nothing
ok "is named" says 'a/nothing: '
ok "a folder" refused FILE_KIND a/share-1.share a
head -c 70000 /dev/zero > big
ok "a huge file" refused FILE_SIZE a/share-1.share big

ok "existing shares are not overwritten" split 1 a 3 5
ok "that is said, with the file" says '^pleiad: a/share-1.share: .*\[FILE_EXISTS\]$'
mkdir d; touch d/share-4.share
ok "one existing file stops all" split 1 d 3 5
ok "and nothing else was written" test "$(ls d)" = share-4.share
ok "k above n is a usage error" split 2 e 4 3
ok "k = 1 is a usage error" split 2 e 1 3
ok "n = 256 is a usage error" split 2 e 2 256
ok "k must be given" run 2 "${share[@]}" split -n 3 --out-dir e
ok "a number must be one" run 2 "${share[@]}" split -k 2x -n 3 --out-dir e
ok "a name that is a path is a usage error" split 2 e 2 3 --name ../x
ok "nothing was made" test ! -e e
ok "an empty secret" run 1 "${share[@]}" split -k 2 -n 3 --out-dir e < /dev/null
ok "is refused by name" says '\[SECRET_EMPTY\]'
head -c 65537 /dev/zero > toolong
ok "a secret of 65,537 bytes" run 1 "${share[@]}" split -k 2 -n 3 --out-dir e < toolong
ok "is refused by name" says '\[SECRET_SIZE\]'
cp secret short; head -c 65536 /dev/urandom > secret
ok "65,536 bytes are split" split 0 large 2 3
ok "and combine" combines large/share-3.share large/share-1.share
head -c 1 short > secret
ok "one byte, 255 of 255" split 0 many 255 255
ok "and combine" combines many/*
ok "names sort as numbers do" test -e many/share-001.share -a ! -e many/share-1.share
cp short secret
ok "a name of one's own" split 0 named 2 2 --name 'key of disk'
ok "is used" test -e 'named/key of disk-2.share'
ok "JSON report" split 0 j 2 3 --json
ok "is JSON with the files" python3 -c 'import json; d = json.load(open("out")); assert d["k"] == 2 and d["n"] == 3 and len(d["split_id"]) == 32 and d["files"][2] == "j/share-3.share"'
ok "JSON on the standard output that carries the secret is a usage error" run 2 "${share[@]}" combine --json a/*
ok "a full disk for the secret" bash -c '! "$0" share combine a/* > /dev/full 2> err && grep -q "standard output" err' "$PLEIAD"

ok "plain split" split 0 p 3 5 --plain
ok "is x and as many bytes as the secret" test "$(stat -c %s p/share-4.share):$(od -An -tu1 -N1 p/share-4.share | tr -d ' ')" = 36:4
ok "another implementation reads it" bash -c 'python3 plain.py p/share-5.share p/share-2.share p/share-1.share | cmp - secret'
ok "plain combine" combines --plain p/share-2.share p/share-3.share p/share-4.share
ok "one plain share is too few" refused SHARE_FEW --plain p/share-2.share
ok "the same plain share twice" refused SHARE_POINT --plain p/share-2.share p/share-2.share
printf '\0abc' > zero
ok "a plain share at x = 0" refused SHARE_POINT --plain zero p/share-2.share
printf '\1' > only-x
ok "a plain share without y" refused SHARE_LENGTH --plain only-x p/share-2.share
ok "a share file is not plain by accident" refused SHARE_FILE p/share-1.share p/share-2.share

# Terminals: python gives the command one.
cat > terminal.py <<'P'
import os, pty, sys
typed, command = sys.argv[1].encode(), sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    os.execv(command[0], command)
if not typed: # for whoever reads the terminal though it should not
    os.write(fd, b'typed\n\x04')
seen = b''
try:
    for line in typed.split(b'|') if typed else []:
        while not seen.endswith(b': '):
            seen += os.read(fd, 4096)
        os.write(fd, line + b'\n')
        seen += b'#'
    while True:
        piece = os.read(fd, 4096)
        if not piece:
            break
        seen += piece
except OSError:
    pass
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
P
terminal() { want=$1; shift; run "$want" python3 terminal.py "$@"; }
ok "combine refuses a terminal" terminal 1 '' "${share[@]}" combine a/share-1.share a/share-2.share a/share-3.share
ok "says so and shows nothing" bash -c 'grep -q TERMINAL out && ! grep -q disk out'
ok "split refuses a terminal" terminal 1 '' "${share[@]}" split -k 2 -n 2 --out-dir t
ok "says so" prints TERMINAL
ok "split asks when told to" terminal 0 'typed secret|typed secret' "${share[@]}" split --prompt -k 2 -n 2 --out-dir t
ok "without echo" bash -c '! grep -q typed out'
printf 'typed secret' > secret
ok "what was typed combines" combines t/*
ok "two different answers are refused" terminal 1 'one|two' "${share[@]}" split --prompt -k 2 -n 2 --out-dir t2
ok "by name" prints PROMPT_DIFFERS
ok "an empty answer is refused" terminal 1 "|" "${share[@]}" split --prompt -k 2 -n 2 --out-dir t2
ok "by name" prints 'PROMPT\]'
ok "without a terminal nothing can be asked" run 1 setsid "${share[@]}" split --prompt -k 2 -n 2 --out-dir t2 < /dev/null
ok "nothing was made" test ! -e t2
finish
