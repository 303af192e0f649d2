#!/usr/bin/python3
"""Mutation testing of the policy's evaluator and loader: each operator, constant, comparison, return
and statement of theirs is changed by itself, and some test must notice.

    ci/mutate.py [--all] [--list] [--only TEXT]     without --all: a sample, always the same

A mutant is noticed when the policy's unit test fails, or when tests/policy/driver.c no longer answers
as the second evaluator does (tests/policy/evaluator.py --record). All mutants are in one pair of
programs: each function stands there once for each of its mutants, and PL_MUTANT says which is called.
Those that live on are rows of ci/mutants.tsv, each with its reason; a reason that begins with "open"
says that a test could notice it and none does. A mutant that lives without a row is an error, and so
is a row that fits no mutant or, with --all, whose mutants are all noticed."""
import concurrent.futures
import fnmatch
import glob
import hashlib
import os
import re
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD, OUT = os.path.join(ROOT, 'build/gcc'), os.path.join(ROOT, 'build/mutate')
FILES = ('evaluate.c', 'facts*.c', 'load*.c', 'quota*.c')
SAMPLE, SITUATIONS, PATIENCE = 120, 12000, 120
TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|^[ \t]*#(?:\\\n|[^\n])*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[A-Za-z_]\w*'
                   r'|0[xX][0-9a-fA-F]+[uUlL]*|\d+[uUlL]*|<<=|>>=|->|\+\+|--|&&|\|\||[-+*/%&|^!=<>]=|<<|>>|\S', re.S | re.M)
FUNCTION = re.compile(r'^(?P<head>[A-Za-z_][^;{}=#"]*?\b(?P<name>\w+)\((?P<params>[^{};]*)\))\s*\{', re.M)
SWAPS = {'==': ['!='], '!=': ['=='], '<': ['<=', '>='], '<=': ['<', '>'], '>': ['>=', '<='], '>=': ['>', '<'],
         '&&': ['||'], '||': ['&&'], '+=': ['-='], '|=': ['&=', '='], '&=': ['|='], '<<': ['>>'], '++': ['--'], '--': ['++'],
         'true': ['false'], 'false': ['true'], 'PL_TRUE': ['PL_FALSE', 'PL_UNKNOWN'], 'PL_FALSE': ['PL_TRUE', 'PL_UNKNOWN'],
         'PL_UNKNOWN': ['PL_TRUE', 'PL_FALSE'], 'PL_ALLOW': ['PL_DENY'], 'PL_DENY': ['PL_ALLOW'], 'break': ['continue'],
         'continue': ['break']}
BINARY = {'+': ['-'], '-': ['+'], '&': ['|'], '|': ['&'], '*': ['+'], '/': ['*'], '%': ['/']}
KEYWORDS = {'return', 'if', 'for', 'while', 'switch', 'case', 'default', 'break', 'continue', 'else', 'do', 'struct',
            'enum', 'const', 'static', 'sizeof', 'unsigned', 'int', 'bool', 'char'}
# What only words for people are made of: no test can tell one from another that reads as well.
WORDING = {'pl_say_text', 'pl_load_say', 'snprintf'}


class Function:
    """One function of a file: its text, and where its tokens stand in it."""

    def __init__(self, source, match):
        end, depth = match.end(), 1
        for t in TOKEN.finditer(source, match.end()):
            depth += (t[0] == '{') - (t[0] == '}')
            if depth == 0:
                end = t.end()
                break
        self.head, self.name, self.params = match['head'], match['name'], match['params']
        self.start, self.end, self.body = match.start(), end, source[match.end() - 1:end]
        self.at = match.end() - 1
        self.kind = re.sub(r'\b(static|inline|const|PL_CHECKED)\b', '', self.head[:self.head.index(self.name + '(')]).strip()
        self.tokens = [t for t in TOKEN.finditer(self.body) if not t[0].startswith(('//', '/*', '#')) and t[0][:1] not in '"\'#'
                       and not t[0].lstrip().startswith('#')]

    def arguments(self):
        names = []
        for one in re.sub(r'\[[^]]*\]', '', self.params).split(','):
            pointer = re.search(r'\(\*(\w+)\)', one)
            names.append(pointer[1] if pointer else re.findall(r'\w+', one)[-1])
        return '' if self.params.strip() in ('', 'void') else ', '.join(names)

    def named(self, suffix):
        head = re.sub(rf'\b{self.name}\(', f'{self.name}{suffix}(', self.head, count=1)
        return 'static ' + re.sub(r'\b(static|PL_CHECKED)\b\s*', '', head)


def closing(tokens, i):
    """Index of the token that closes the parenthesis at i."""
    depth = 0
    for j in range(i, len(tokens)):
        depth += (tokens[j][0] in '([') - (tokens[j][0] in ')]')
        if depth == 0:
            return j
    return len(tokens) - 1


def statements(tokens):
    """(first, last) of each statement that is a call or an assignment."""
    for i, t in enumerate(tokens):
        if i == 0 or t[0] in KEYWORDS or not re.match(r'[A-Za-z_*]', t[0]):
            continue
        before = tokens[i - 1][0]
        opened = before == ')' and any(closing(tokens, k) == i - 1 and tokens[k - 1][0] in ('if', 'for', 'while')
                                       for k in range(1, i) if tokens[k][0] == '(')
        if before not in (';', '{', '}', 'else', ':') and not opened:
            continue
        j, depth = i, 0
        while j < len(tokens) and not (tokens[j][0] == ';' and depth == 0):
            depth += (tokens[j][0] in '([{') - (tokens[j][0] in ')]}')
            if depth < 0:
                break
            j += 1
        if j >= len(tokens) or tokens[j][0] != ';':
            continue
        inner = [x[0] for x in tokens[i:j]]
        call = len(inner) > 1 and inner[1] == '(' and closing(tokens, i + 1) == j - 1
        changes = any(x in ('=', '|=', '&=', '+=', '-=', '++', '--') for x in inner)
        declares = len(inner) > 1 and (re.match(r'[A-Za-z_]', inner[1]) or inner[1] == '*')
        if call or (changes and not declares):
            yield i, j


def changes(f):
    """(from, to, new text) of each mutant of a function, in positions of its body."""
    tokens, skip = f.tokens, set()
    for i, t in enumerate(tokens):
        if t[0] in WORDING and tokens[i + 1][0] == '(':
            skip |= set(range(i, closing(tokens, i + 1) + 1))
    for i, t in enumerate(tokens):
        if i in skip:
            continue
        before, text = tokens[i - 1][0] if i else '', t[0]
        operand = re.match(r'[\w)\]]', before) and before not in KEYWORDS
        for new in SWAPS.get(text, []) + (BINARY.get(text, []) if operand else []):
            yield t.start(), t.end(), new
        if text == '!':
            yield t.start(), t.end(), ''
        if re.fullmatch(r'\d+[uUlL]*', text) and before != '[':
            value, suffix = re.match(r'(\d+)(.*)', text).groups()
            yield t.start(), t.end(), f'{int(value) + 1}{suffix}'
            if value == '1':
                yield t.start(), t.end(), f'0{suffix}'
        if text == 'return' and tokens[i + 1][0] != ';':
            j = next(j for j in range(i, len(tokens)) if tokens[j][0] == ';')
            old = f.body[tokens[i + 1].start():tokens[j].start()]
            new = {'bool': [f'!({old})'], 'enum pl_tri': ['PL_TRUE', 'PL_FALSE', 'PL_UNKNOWN'], 'pl_err': ['PL_OK']}.get(f.kind, [])
            yield from ((tokens[i + 1].start(), tokens[j].start(), n) for n in new if n != old)
        if text == 'if' and tokens[i + 1][0] == '(':
            j = closing(tokens, i + 1)
            yield tokens[i + 1].end(), tokens[j].start(), f'!({f.body[tokens[i + 1].end():tokens[j].start()]})'
    for i, j in statements(tokens):
        if i not in skip:
            yield tokens[i].start(), tokens[j].start(), '(void)0'


class Mutant:
    def __init__(self, number, path, source, f, change):
        self.number, self.f, (self.a, self.b, self.new) = number, f, change
        self.file, at = os.path.basename(path), f.at + self.a
        self.line = source.count('\n', 0, at) + 1
        begin = source.rfind('\n', 0, at) + 1
        self.text = ' '.join(source[begin:source.find('\n', at)].split())
        self.old = ' '.join(f.body[self.a:self.b].split())
        self.column = at - begin
        self.what = f'{self.old} -> {" ".join(self.new.split()) or "nothing"}'
        self.key = (self.file, f.name, self.text, self.what)
        self.hash = hashlib.sha256(f'{self.key} {self.column}'.encode()).hexdigest()

    def code(self):
        return f'{self.f.named(f"__{self.number}")}\n{self.f.body[:self.a]} {self.new} {self.f.body[self.b:]}\n'

    def __str__(self):
        return f'core/policy/{self.file}:{self.line}: {self.f.name}: {self.what}: {self.text}'


def mutants_of(path, first):
    """A file's functions and mutants. What takes a list of unknown length cannot stand twice."""
    with open(path) as file:
        source = file.read()
    functions, mutants = [], []
    for m in FUNCTION.finditer(source):
        f = Function(source, m)
        if '...' in f.params or 'va_list' in f.params:
            continue
        functions.append(f)
        for change in dict.fromkeys(changes(f)):
            mutants.append(Mutant(first + len(mutants), path, source, f, change))
    return source, functions, mutants


def text_of(source, functions, mutants):
    """The file with every function once as it is, once for each mutant, and one that chooses."""
    out, at, owner, line = ['extern int pl_mutant;\n'], 0, {}, 2

    def add(text, mutant=None):
        nonlocal line
        if mutant:
            owner.update((n, mutant) for n in range(line, line + text.count('\n')))
        line += text.count('\n')
        out.append(text)
    for f in functions:
        mine = [m for m in mutants if m.f is f]
        add(source[at:f.start] + f'{f.head};\n')
        add(f'{f.named("__0")}\n{f.body}\n')
        for m in mine:
            add(m.code(), m)
        call = (lambda n: f'{f.name}__{n}({f.arguments()}); return;') if f.kind == 'void' else \
            (lambda n: f'return {f.name}__{n}({f.arguments()});')
        add(f.head + ' { switch (pl_mutant) {' + ''.join(f'case {m.number}: {call(m.number)} ' for m in mine) +
            f'default: {call(0)} }} }}\n')
        at = f.end
    add(source[at:])
    return ''.join(out), owner


def compiled(path, flags, source, functions, mutants):
    """The object of all mutants of a file that are C; the others are dropped."""
    name = os.path.join(OUT, os.path.basename(path))
    while True:
        text, owner = text_of(source, functions, mutants)
        with open(name, 'w') as f:
            f.write(text)
        done = subprocess.run([*flags, '-I', os.path.dirname(path), '-O0', '-g0', '-w', '-fmax-errors=0', '-c', name, '-o', name + '.o'],
                              cwd=BUILD, capture_output=True, text=True)
        if done.returncode == 0:
            return name + '.o', mutants
        wrong = {owner[int(n)].number for n in re.findall(r'\.c:(\d+):\d+: error', done.stderr) if int(n) in owner}
        if not wrong:
            sys.exit(f'{done.stderr}\nBail out! {name} does not compile')
        mutants = [m for m in mutants if m.number not in wrong]


def flags_of(path):
    """How the build compiles a file, without what is of one object, of warnings and of optimising."""
    commands = subprocess.run(['ninja', '-C', BUILD, '-t', 'commands', 'tests/policy/policy_driver'], capture_output=True,
                              text=True, check=True).stdout.splitlines()
    line = next(c for c in commands if c.endswith(f'/{os.path.basename(path)}') and 'policy' in c)
    words = shlex.split(line)
    return [words[0]] + [w for w in words[1:] if w.startswith(('-I', '-D', '-std', '-f')) and
                           not re.search('FORTIFY|diagnostics|prefix-map', w)]


def link(target, objects):
    commands = subprocess.run(['ninja', '-C', BUILD, '-t', 'commands', target], capture_output=True, text=True,
                              check=True).stdout.splitlines()
    words = [w for w in shlex.split(commands[-1])]
    out = os.path.join(OUT, os.path.basename(target))
    words[words.index('-o') + 1] = out
    first = next(i for i, w in enumerate(words) if w == '-Wl,--start-group' or w.endswith('.a'))
    done = subprocess.run(words[:first] + objects + words[first:], cwd=BUILD, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f'{done.stderr}\nBail out! {target} does not link')
    return out


def programs(objects):
    chooser = os.path.join(OUT, 'chooser.c')
    with open(chooser, 'w') as f:
        f.write('#include <stdlib.h>\nint pl_mutant;\n__attribute__((constructor)) static void choose(void)\n'
                '{ const char *n = getenv("PL_MUTANT"); pl_mutant = n ? atoi(n) : 0; }\n')
    subprocess.run(['gcc', '-c', chooser, '-o', chooser + '.o'], check=True)
    return [link(t, [chooser + '.o', *objects]) for t in ('tests/policy/policy_driver', 'tests/unit/test_policy')]


def noticed(driver, unit, number=0):
    """Does a test fail with this mutant? Crashing and not ending are failing."""
    env = {**os.environ, 'PL_MUTANT': str(number)}
    for command in ([driver, '--check', os.path.join(OUT, 'situations')], [unit]):
        try:
            # Two seconds of a processor are enough for all of it many times.
            if subprocess.run(['sh', '-c', 'ulimit -t 2; exec "$@"', '-', *command], env=env, cwd=OUT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=PATIENCE).returncode:
                return True
        except subprocess.TimeoutExpired:
            return True
    return False


class Excuses:
    """Rows of ci/mutants.tsv: file, function, line, change (patterns of the shell), reason."""

    def __init__(self):
        with open(os.path.join(ROOT, 'ci/mutants.tsv')) as f:
            self.rows = [tuple(line.rstrip('\n').split('\t')) for line in f if line.strip() and line[0] != '#']
        self.bad = [f'ci/mutants.tsv: not five columns: {r}' for r in self.rows if len(r) != 5 or not r[-1:][0].strip()]
        self.fits, self.lives = set(), set()

    def of(self, mutant):
        return [r for r in self.rows if len(r) == 5 and
                all(a == b or fnmatch.fnmatchcase(a, b.replace('[', '[[]')) for a, b in zip(mutant.key, r[:4]))]


def main():
    every = '--all' in sys.argv
    only = sys.argv[sys.argv.index('--only') + 1] if '--only' in sys.argv else ''
    os.makedirs(OUT, exist_ok=True)
    if not os.path.exists(os.path.join(BUILD, 'build.ninja')):
        subprocess.run([os.path.join(ROOT, 'ci/meson.py'), 'build', 'gcc'], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(['ninja', '-C', BUILD, 'tests/policy/policy_driver', 'tests/unit/test_policy'], check=True, stdout=subprocess.DEVNULL)
    paths = sorted(p for pattern in FILES for p in glob.glob(os.path.join(ROOT, 'core/policy', pattern)))
    mutants, objects = [], []
    for path in paths:
        source, functions, mine = mutants_of(path, 1 + max([m.number for m in mutants], default=0))
        o, mine = compiled(path, flags_of(path), source, functions, mine)
        mutants += mine
        objects.append(o)
    if '--list' in sys.argv:
        print('\n'.join(map(str, mutants)))
        return 0
    excuses = Excuses()
    for m in mutants:
        excuses.fits.update(excuses.of(m))
    chosen = sorted(mutants, key=lambda m: m.hash)[:len(mutants) if every or only else SAMPLE]
    chosen = [m for m in chosen if only in str(m)]
    driver, unit = programs(objects)
    subprocess.run([os.path.join(ROOT, 'tests/policy/evaluator.py'), driver, str(SITUATIONS), '--record',
                    os.path.join(OUT, 'situations')], check=True, stdout=subprocess.DEVNULL)
    problems = list(excuses.bad)
    if noticed(driver, unit):
        problems.append('without a mutant, too, the tests fail')
        chosen = []
    count = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for m, seen in zip(chosen, pool.map(lambda m: noticed(driver, unit, m.number), chosen)):
            rows = excuses.of(m)
            excuses.lives.update(rows if not seen else [])
            if not seen and not rows:
                count += 1
                print(f'# survives: {m}\n# ' + '\t'.join(m.key), flush=True)
    if every:
        problems += [f'ci/mutants.tsv: every mutant of this row is noticed: {r[:4]}' for r in excuses.fits - excuses.lives]
    problems += [f'ci/mutants.tsv: no such mutant: {r[:4]}' for r in set(excuses.rows) - excuses.fits if len(r) == 5]
    for p in problems:
        print('# ' + p)
    good = len(chosen) > 0 and not problems and not count
    open_ = sum(r[-1].startswith('open') for r in excuses.rows)
    print(f'{"ok" if good else "not ok"} 1 - of {len(chosen)} mutants (of {len(mutants)}) {count} live without a reason; '
          f'{len(excuses.rows)} rows say why one lives, {open_} of them that no test notices it yet\n1..1')
    return 0 if good else 1


sys.exit(main())
