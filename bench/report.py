"""Tables and plots of what was measured. The numbers are kept in results.tsv, so that a run of some rows leaves
the others as they were; what people say about them is in notes.md."""
import collections
import datetime
import html
import os
import platform
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TSV, MARKDOWN, NOTES, PLOTS = (os.path.join(HERE, n) for n in ('results.tsv', 'RESULTS.md', 'notes.md', 'plots'))
PACKAGES = ('libssl3', 'libsodium23', 'libnghttp2-14', 'libgfshare2', 'libgfshare-bin', 'ssss', 'clevis', 'tang')
COLOURS = ('#2b6cb0', '#a0aec0', '#d69e2e', '#718096')
BAR, GAP, LEFT, WIDTH, TEXT = 20, 6, 290, 420, 12


def number(x):
    return f'{x:,.0f}' if x >= 1000 else f'{x:.3g}' if x < 100 else f'{x:.1f}'


def load():
    """{row: (facts, values)} of the last runs."""
    rows = {}
    if os.path.exists(TSV):
        for line in open(TSV):
            kind, key, *rest = line.rstrip('\n').split('\t')
            facts, values = rows.setdefault(key, ({}, []))
            if kind == 'value':
                values.append((*rest[:3], *map(float, rest[3:])))
            else:
                facts.setdefault(kind, []).append(rest[0])
    return rows


def save(rows, order):
    with open(TSV + '.new', 'w') as f:
        for key in sorted(rows, key=order.index):
            facts, values = rows[key]
            for kind, texts in facts.items():
                f.writelines(f'{kind}\t{key}\t{text}\n' for text in texts)
            for workload, contender, unit, *numbers in values:
                f.write('\t'.join(['value', key, workload, contender, unit, *(f'{n:.6g}' for n in numbers)]) + '\n')
    os.replace(TSV + '.new', TSV)


def facts_of(row):
    facts = {'title': [row.title], 'command': row.commands,
             'day': [f'{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}, load average {os.getloadavg()[1]:.1f}']}
    if row.targets:
        facts['target'] = [row.targets]
    return facts


def grouped(values):
    groups = collections.OrderedDict()
    for v in values:
        groups.setdefault((v[0], v[2]), []).append(v)
    return groups


def table(values):
    """Ratios are of the first contender of a workload, ours, to each other one."""
    lines = ['| workload | contender | unit | median | least | most | ours to it |', '|---|---|---|--:|--:|--:|--:|']
    for (workload, unit), group in grouped(values).items():
        for _, contender, _, median, least, most in group:
            ratio = '' if contender == group[0][1] or not median else f'{group[0][3] / median:.2f}'
            lines.append(f'| {workload} | {contender} | {unit} | {number(median)} | {number(least)} | {number(most)} | {ratio} |')
    return '\n'.join(lines)


def svg(title, values):
    """Bars of the medians, a line from the least to the most; each workload has its own scale."""
    out, y = [], 30
    for (workload, unit), group in grouped(values).items():
        y += TEXT + GAP
        more = ', more is better' if unit in ('GB/s', '1/cpu-s') else ''
        out.append(f'<text x="8" y="{y}" font-weight="bold">{html.escape(workload)} ({html.escape(unit)}{more})</text>')
        y += GAP
        scale = WIDTH / max(max(v[5] for v in group), 1e-9)
        names = []
        for _, contender, _, median, least, most in group:
            names.append(contender)
            colour = COLOURS[min(len(names) - 1, len(COLOURS) - 1)]
            middle = y + BAR / 2
            out.append(f'<text x="{LEFT - 8}" y="{middle + 4}" text-anchor="end">{html.escape(contender)}</text>')
            out.append(f'<rect x="{LEFT}" y="{y}" width="{median * scale:.1f}" height="{BAR}" fill="{colour}"/>')
            out.append(f'<path d="M{LEFT + least * scale:.1f} {middle}H{LEFT + most * scale:.1f}" stroke="#1a202c"/>')
            out.append(f'<text x="{LEFT + WIDTH + 8}" y="{middle + 4}">{number(median)}</text>')
            y += BAR + GAP
        y += GAP
    size = f'width="{LEFT + WIDTH + 90}" height="{y + 8}"'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="{TEXT}">\n'
            f'<rect width="100%" height="100%" fill="#fff"/>\n<text x="8" y="18" font-size="14">{html.escape(title)}</text>\n'
            + '\n'.join(out) + '\n</svg>\n')


def notes():
    """{row: text} of notes.md, a heading a row."""
    found, key = {}, None
    for line in open(NOTES) if os.path.exists(NOTES) else []:
        if line.startswith('## '):
            key = line[3:].strip()
        elif key:
            found[key] = found.get(key, '') + line
    return {k: v.strip() for k, v in found.items()}


def machine(compiler):
    cpu = next((line.split(':', 1)[1].strip() for line in open('/proc/cpuinfo') if line.startswith('model name')), '')
    lines = [f'{platform.machine()}, {os.cpu_count()} cores, {cpu}', f'Linux {platform.release()}, {compiler}']
    shown = subprocess.run(['dpkg-query', '-W', '-f', '${Package} ${Version}\\n', *PACKAGES], capture_output=True, text=True)
    return '\n'.join('* ' + line for line in lines + [', '.join(shown.stdout.split('\n')[:-1])])


def section(key, facts, values, said):
    parts = [f'## {key}: {facts["title"][0]}', table(values), f'![{key}](plots/{key}.svg)']
    if 'target' in facts:
        parts.append(f'Target: {facts["target"][0]}.')
    if said:
        parts.append(said)
    parts.append('Run on ' + facts['day'][0] + ':\n\n```\n' + '\n'.join(facts['command']) + '\n```')
    return '\n\n'.join(parts)


def write(measured, order, compiler):
    """Adds what was measured to what was there, and writes everything anew."""
    rows, said = load(), notes()
    for row in measured:
        rows[row.key] = facts_of(row), row.values
    save(rows, order)
    os.makedirs(PLOTS, exist_ok=True)
    text = ['# Measured', 'Written by `bench/run`; numbers of one machine, worth comparing within a table only. Each '
            'is the median of five rounds (P3: three, P18: one; P12 those of `bench_quote`) in which the contenders took turns, with the least and the most of them. '
            '"cpu-s" is a second of processor time of all threads of the server.', machine(compiler)]
    if '' in said or 'All' in said:
        text.append(said['All'])
    for key in sorted(rows, key=order.index):
        facts, values = rows[key]
        with open(os.path.join(PLOTS, key + '.svg'), 'w') as f:
            f.write(svg(f'{key}: {facts["title"][0].split(":")[0]}', values))
        text.append(section(key, facts, values, said.get(key)))
    with open(MARKDOWN, 'w') as f:
        f.write('\n\n'.join(text) + '\n')
