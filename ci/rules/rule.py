"""What the rules share: the files of the tree, code without comments and strings, exceptions, TAP."""
import fnmatch
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(ROOT)


def files(*suffixes, under=''):
    """Tracked files and new ones that git would track, without the planted violations."""
    names = subprocess.run(['git', 'ls-files', '-z', '-co', '--exclude-standard', '--', under or '.'],
                           check=True, capture_output=True, text=True).stdout.split('\0')
    return sorted(n for n in set(names) if n and os.path.isfile(n) and n.endswith(suffixes or '')
                  and not n.startswith('ci/planted/'))


def text(name):
    with open(name, encoding='utf-8', errors='replace') as f:
        return f.read()


TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code(name):
    """C text whose comments are blanks and whose string and character literals are empty."""
    def blank(m):
        s = m.group()
        return s[0] + s[0] if s[0] in '"\'' else re.sub(r'[^\n]', ' ', s)
    return TOKENS.sub(blank, text(name))


class Exceptions:
    """ci/rules/exceptions.tsv: rule, file pattern, what is allowed, why. An unused row is an error."""

    def __init__(self, rule):
        self.rows, self.used = [], set()
        for line in text('ci/rules/exceptions.tsv').splitlines():
            if line and not line.startswith('#') and line.split('\t')[0] == rule:
                self.rows.append(line.split('\t'))

    def allow(self, file, what):
        for i, row in enumerate(self.rows):
            if fnmatch.fnmatch(file, row[1]) and row[2] == what:
                self.used.add(i)
                return True
        return False

    def errors(self):
        return [f'ci/rules/exceptions.tsv: {"not four columns" if len(row) != 4 else "not needed"}: '
                + ' '.join(row[:3]) for i, row in enumerate(self.rows) if i not in self.used or len(row) != 4]


class Tap:
    """One line a check, before it a line for each violation."""

    def __init__(self):
        self.count = self.failed = 0

    def check(self, name, violations):
        self.count += 1
        self.failed += bool(violations)
        for v in violations:
            print('# ' + v)
        print(f'{"not ok" if violations else "ok"} {self.count} - {name}')

    def end(self):
        print(f'1..{self.count}')
        sys.exit(self.failed > 0)
