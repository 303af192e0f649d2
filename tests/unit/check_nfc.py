#!/usr/bin/env python3
"""The table in core/base/json_jcs.c against Python's Unicode data: every string of its characters
is its own NFC and holds no control, format, surrogate, private or unassigned character."""
import re
import sys
import unicodedata

source = open(sys.argv[1], encoding="utf-8").read()
table = re.search(r"plain_chars\[\] = \{(.*?)\n\};", source, re.S).group(1)
ranges = [(int(a, 16), int(b, 16)) for a, b in re.findall(r"\{(0x[0-9a-f]+), (0x[0-9a-f]+)\}", table)]

# What can be the second of a composition: UAX 15's NFC_Quick_Check=Maybe.
second = set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
for c in range(sys.maxunicode + 1):
    parts = unicodedata.decomposition(chr(c)).split()
    if len(parts) == 2 and not parts[0].startswith("<"):
        second.add(int(parts[1], 16))

bad = []
last = -1
for start, end in ranges:
    if not last < start <= end:
        bad.append(f"{start:#x}: not in order")
    last = end
    for c in range(start, end + 1):
        s = chr(c)
        if (unicodedata.category(s)[0] not in "LNPS" and unicodedata.category(s) != "Zs") \
                or unicodedata.combining(s) or c in second \
                or unicodedata.normalize("NFC", s) != s:
            bad.append(f"{c:#x}: {unicodedata.category(s)}")
if len(ranges) < 10:
    bad.append("table not found")
print("1..1")
print("\n".join("# " + b for b in bad[:20]))
print(("not ok" if bad else "ok") + " 1 - every character of the table stands alone")
sys.exit(bool(bad))
