#!/usr/bin/python3
"""Writes a C file that holds another file's bytes: embed.py INPUT OUTPUT NAME."""
import sys

source, target, name = sys.argv[1:]
with open(source, 'rb') as f:
    data = f.read()
with open(target, 'w', encoding='ascii') as out:
    out.write('#include "daemons/vaultd/vaultd.h"\n\n')
    out.write('static const uint8_t bytes[] = {\n')
    for i in range(0, len(data), 20):
        out.write('    ' + ', '.join(str(b) for b in data[i:i + 20]) + ',\n')
    out.write('};\n\nstruct pl_span %s(void) { return PL_ARR(bytes); }\n' % name)
