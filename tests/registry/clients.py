#!/usr/bin/python3
"""Registries as clients meet them: an honest one, a file in its place, and a hostile one that omits,
alters, repeats, goes back, goes on for ever, is slow or talks nonsense. Then all that the real
daemon is given during a run from split to recovery: nothing of keys."""
import base64, json, os, re, shutil, signal, socket, ssl, struct, subprocess, sys, tempfile, threading, time

PLEIAD, SIMD, KIT, RECORDED, EXAMPLES = (os.environ[n] for n in ("PLEIAD", "SIMD", "KIT", "RECORDED", "EXAMPLES"))
WAIT_S = 30
work = tempfile.mkdtemp(prefix="pleiad-test.")
home = os.path.join(work, "home")
env = {k: v for k, v in os.environ.items() if not k.startswith("PLEIAD_SIM")}
env.update(PLEIAD_HOME=home, PL_RECORD=os.path.join(work, "record"))
checks = failures = 0


def ok(name, good, *why):
    global checks, failures
    checks += 1
    failures += not good
    print("%s %d - %s" % ("ok" if good else "not ok", checks, name), flush=True)
    for line in () if good else why:
        print("#  ", str(line)[-2000:], flush=True)
    return good


def run(*args, stdin=b"", **more):
    return subprocess.run([PLEIAD, *args], env={**env, **more}, input=stdin, capture_output=True, timeout=120)


def ran(name, want, *args, says=None, prints=None, **more):
    r = run(*args, **more)
    good = r.returncode == want and (says is None or re.search(says, r.stderr.decode())) and (
        prints is None or re.search(prints, r.stdout.decode()))
    ok(name, bool(good), "exit %d, wanted %d" % (r.returncode, want), r.stdout, r.stderr)
    return r


def read(*parts):
    with open(os.path.join(*parts), "rb") as f:
        return f.read()


def vaults():
    return [line.split("@") for line in read(home, "vaults").decode().split()]


def pid(name):
    return int(read(home, "run", name + ".pid").split()[0])


# ---- a hostile registry: TLS and HTTP/2 by hand, so that no rule of ours binds it ----

class Registry:
    """Answers each request by the next of `answers` (the last one for ever): bytes of a body, a
    number for a status without body, or a function that gets the socket."""

    def __init__(self, *answers, tls=True):
        self.answers, self.asked, self.tls = answers, 0, tls
        self.s = socket.create_server(("127.0.0.1", 0))
        self.url = "127.0.0.1:%d" % self.s.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.s.accept()
                c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                return
            try:
                self.talk(context.wrap_socket(c, server_side=True) if self.tls else c)
            except OSError:
                pass

    def talk(self, c):
        if not self.tls:
            self.answers[0](c)
            return
        exactly(c, 24)
        c.sendall(frame(4, 0, 0, b""))
        while True:
            head = exactly(c, 9)
            n, kind, flags, stream = head[0] << 16 | head[1] << 8 | head[2], head[3], head[4], head[5:]
            exactly(c, n)
            if kind == 4 and not flags & 1:
                c.sendall(frame(4, 1, 0, b""))
            if kind == 1:
                self.answer(c, struct.unpack(">I", stream)[0])

    def answer(self, c, stream):
        a = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        a = a(self) if callable(a) and a.__code__.co_name == "page" else a
        if callable(a):
            a(c, stream)
        elif isinstance(a, int):
            c.sendall(frame(1, 5, stream, b"\x08\x03" + str(a).encode()))
        else:
            c.sendall(frame(1, 4, stream, b"\x88"))
            for i in range(0, len(a), 16384):
                c.sendall(frame(0, 0, stream, a[i:i + 16384]))
            c.sendall(frame(0, 1, stream, b""))

    def close(self):
        self.s.close()


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def exactly(c, n):
    got = b""
    while len(got) < n:
        more = c.recv(n - len(got))
        if not more:
            raise OSError("closed")
        got += more
    return got


def page_of(*entries, next=None):
    return b'{"entries":[' + b",".join(entries) + b"]" + (b',"next":"%s"' % next.encode() if next else b"") + b"}"


def endless():
    def page(registry):
        return page_of(entry[0], next="%064x" % (registry.asked + 1))
    return page


def dripping(c, stream):
    c.sendall(frame(1, 4, stream, b"\x88"))
    while True:
        c.sendall(frame(0, 0, stream, b" "))
        time.sleep(0.01)


def asking_for_certificates():
    """As a registry would that wants to know who reads: a certificate of ours would end the handshake."""
    context.load_verify_locations(os.path.join(work, "cert.pem"))
    context.verify_mode = ssl.CERT_OPTIONAL
    hostile("one that asks for a certificate gets none", 0, page_of(*entry))
    context.verify_mode = ssl.CERT_NONE


def mute(c, *_):
    time.sleep(WAIT_S)


def hostile(name, want, *answers, says=None, prints=None, tls=True, args=(), verb=("vault", "list")):
    r = Registry(*answers, tls=tls)
    got = ran(name, want, *verb, "--registry", r.url, *args, says=says, prints=prints)
    r.close()
    return got


def listed(r):
    return {e["vault_id"]: e for e in json.loads(r.stdout)["entries"]}


def forget():
    if os.path.exists(os.path.join(home, "registry.seen")):
        os.unlink(os.path.join(home, "registry.seen"))


def setup():
    global context, entry
    os.mkdir(os.path.join(work, "kit"))
    subprocess.run([KIT, os.path.join(work, "kit")], check=True)
    for name, form in ("cert", "CERTIFICATE"), ("key", "PRIVATE KEY"):
        text = base64.encodebytes(read(work, "kit", name + ".der")).decode()
        with open(os.path.join(work, name + ".pem"), "w") as f:
            f.write("-----BEGIN %s-----\n%s-----END %s-----\n" % (form, text, form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(os.path.join(work, "cert.pem"), os.path.join(work, "key.pem"))
    context.set_alpn_protocols(["h2"])
    ran("a constellation with a registry that records", 0, "dev", "up", "--vaults", "3", "--program",
        "registry=" + RECORDED, prints="registry .*running, pid")
    entry = [read(home, "vault-%d" % i, "entry.json") for i in (1, 2, 3)]


# ---- tests ----

def honest():
    url = read(home, "registry").decode()
    r = ran("the list of the registry", 0, "vault", "list", "--json", "--registry", "https://%s/" % url)
    ids = {v[0]: v[1] for v in vaults()}
    ok("has the vaults and their places", {k: e["endpoint"] for k, e in listed(r).items()} == ids, r.stdout)
    r = ran("for another kind of hardware", 0, "vault", "list", "--json", "--registry", url, "--tee", "sgx")
    ok("it has none", listed(r) == {} and json.loads(r.stdout)["other"] == 0, r.stdout)
    ran("verify, by the registry's places", 0, "vault", "verify", "--registry", url, prints="root of trust")
    r = ran("status of one", 0, "vault", "status", "--json", vaults()[0][1])
    s = json.loads(r.stdout)
    ok("tells state, time, log and program", s["status"]["state"] == "serving" and s["status"]["time"] == "host" and
       s["status"]["log_size"] > 0 and s["evidence"]["vault_id"] == vaults()[0][0] and s["status"]["version"], r.stdout)
    ran("status of all", 0, "vault", "status", prints="log entries, all durable")
    ran("no registry there", 3, "vault", "list", "--registry", "127.0.0.1:1", says="NET_CONNECT")
    ran("http is refused", 1, "vault", "list", "--registry", "http://" + url, says="REGISTRY_URL")
    ran("a vault is no registry", 1, "vault", "list", "--registry", vaults()[0][1], says="NO_ROUTE")


def files():
    path = os.path.join(work, "static.json")
    with open(path, "wb") as f:
        f.write(page_of(*entry))
    r = ran("a file of entries does as well", 0, "vault", "list", "--json", "--file", path)
    ok("all are in it", sorted(listed(r)) == sorted(v[0] for v in vaults()), r.stdout)
    ran("the file that a vault writes is such a file", 0, "vault", "list", "--file", os.path.join(home, "vault-2",
        "entry.json"), prints=vaults()[1][0])
    with open(path, "wb") as f:
        f.write(page_of(entry[0], changed(entry[1])))
    ran("an altered entry in it is left out", 0, "vault", "list", "--file", path, says="1 entry does not verify")
    with open(path, "wb") as f:
        f.write(b"[]")
    ran("another file is refused", 1, "vault", "list", "--file", path, says="JSON_")


def changed(e):
    at = e.index(b'"endpoints":["127.0.0.1:') + 24
    return e[:at] + (b"1" if e[at:at + 1] != b"1" else b"2") + e[at + 1:]


def wrong_entries():
    forget()
    ids = [v[0] for v in vaults()]
    r = hostile("an altered entry is left out", 0, page_of(entry[0], changed(entry[1])), args=["--json"],
                says="1 entry does not verify")
    ok("the others are shown", list(listed(r)) == [ids[0]], r.stdout)
    forget()
    hostile("a vault that is left out is named", 0, page_of(entry[0], entry[2]),
            says="%.16s of your list is not listed" % ids[1])
    r = hostile("what was seen before holds", 0, page_of(entry[1]), args=["--json"], says="its last entry still holds")
    ok("all three are known", sorted(listed(r)) == sorted(ids) and sum(e["listed"] for e in listed(r).values()) == 1,
       r.stdout)
    run("dev", "up", "--vaults", "1", "--dir", os.path.join(work, "other"))
    foreign = read(work, "other", "vault-1", "entry.json")
    run("dev", "down", "--dir", os.path.join(work, "other"))
    hostile("a vault of another authority is left out", 0, page_of(foreign), says="1 entry does not verify")
    a, b = json.loads(entry[0]), json.loads(entry[1])
    a["statement"]["vault_id"] = b["statement"]["vault_id"]
    mixed = json.dumps(a, separators=(",", ":"), sort_keys=True).encode()
    a["proof"] = b["proof"]
    stolen = json.dumps(a, separators=(",", ":"), sort_keys=True).encode()
    hostile("entries under another vault's name or proof are left out", 0, page_of(mixed, stolen),
            says="2 entries do not verify")
    r = hostile("one entry many times is one vault", 0, page_of(*[entry[0]] * 60), args=["--json"])
    ok("in the list once", sum(e["listed"] for e in listed(r).values()) == 1, r.stdout)


def going_back():
    ids = [v[0] for v in vaults()]
    os.kill(pid("vault-1"), signal.SIGKILL)
    ran("a vault starts again", 0, "dev", "up")
    fresh = read(home, "vault-1", "entry.json")
    ok("with a new entry", fresh != entry[0])
    serial, url, end = json.loads(fresh)["statement"]["serial"], read(home, "registry").decode(), time.monotonic() + 30
    seen = lambda: listed(run("vault", "list", "--json", "--registry", url))[ids[0]]["serial"] == serial
    while not (done := seen()) and time.monotonic() < end: # it is listed already: nothing waits for the newer one
        time.sleep(0.05)
    ok("the newer one is seen", done)
    r = hostile("the older one is noticed, and left out", 0, page_of(*entry), args=["--json"],
                says="1 entries are older than what was seen")
    ok("the newer one counts", listed(r)[ids[0]]["serial"] > json.loads(entry[0])["statement"]["serial"], r.stdout)
    entry[0] = fresh


def bad_pages():
    two = sorted(zip((v[0] for v in vaults()), entry))
    r = hostile("two pages", 0, page_of(two[0][1], next=two[0][0]), page_of(two[1][1], two[2][1]), args=["--json"])
    ok("are one list", all(e["listed"] for e in listed(r).values()), r.stdout)
    hostile("pages without an end", 1, endless(), says="REGISTRY_LONG")
    hostile("a page that leads to itself", 1, page_of(entry[0], next="1" * 64), says="REGISTRY_ANSWER")
    hostile("an empty page that leads on", 1, page_of(next="1" * 64), says="REGISTRY_ANSWER")
    hostile("a huge page", 1, b" " * (3 << 20), says="NET_RESPONSE")
    hostile("more entries than a page has", 1, page_of(*[b"{}"] * 300), says="REGISTRY_ANSWER")
    hostile("no JSON", 1, b"<html>hello</html>", says="REGISTRY_ANSWER")
    hostile("no body", 1, b"", says="REGISTRY_ANSWER")
    hostile("not even a problem", 1, 500, says="REGISTRY_ANSWER")
    deep = b'{"entries":[' + b"[" * 100 + b"]" * 100 + b"]}"
    hostile("deep JSON", 1, deep, says="REGISTRY_ANSWER")


def bad_wires():
    soon = ["--deadline", "700"]
    hostile("one that never answers", 3, mute, args=soon, says="NET_DEADLINE")
    hostile("one that answers a byte at a time", 3, dripping, args=soon, says="NET_DEADLINE")
    hostile("one that accepts and is silent", 3, mute, args=soon, tls=False, says="NET_CONNECT_TIME|NET_DEADLINE")
    hostile("one that speaks something else", 1, lambda c: (c.sendall(b"SSH-2.0-x\r\n" * 50), c.close()), tls=False,
            says="TLS_VERSION|NET_CLOSED")


# ---- collateral is read again ----

def said(name, text):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if text in read(home, "log", name + ".log").decode():
            return True
        time.sleep(0.02)
    return False


def put_collateral(folder, files):
    """What was there before."""
    os.makedirs(folder, exist_ok=True)
    before = {f: read(folder, f) for f in os.listdir(folder)}
    for f in before:
        os.unlink(os.path.join(folder, f))
    for f, content in files.items():
        with open(os.path.join(folder, f), "wb") as out:
            out.write(content)
    return before


def told(daemon, text):
    os.kill(pid(daemon.replace("registry", "registry-0")), signal.SIGHUP)
    return said(daemon, text)


def collateral():
    """The maker revokes a platform: whoever reads the new list does not believe it any more."""
    folder = os.path.join(home, "authority", "collateral")
    name, url = os.path.join(folder, "tcb_info.json"), read(home, "registry").decode()
    good = read(name)
    for daemon in "registry", "vault-1":
        with open(name, "wb") as f:
            f.write(good[:-10])
        os.kill(pid(daemon.replace("registry", "registry-0")), signal.SIGHUP)
        ok(daemon + ": a folder that does not fit is named", said(daemon, '"event":"collateral","what":'))
        with open(name, "wb") as f:
            f.write(good)
    ran("what they had goes on", 0, "vault", "verify", "--registry", url)
    os.kill(pid("machine-3"), signal.SIGTERM)
    machine = subprocess.Popen([SIMD, "--dir", os.path.join(home, "machine-3"), "--authority",
                                os.path.join(home, "authority"), "--revoked"], stderr=subprocess.DEVNULL)
    end = time.monotonic() + WAIT_S
    older = {f: read(folder, f) for f in os.listdir(folder)}
    crl = older["pck_crl.der"]
    while read(folder, "pck_crl.der") == crl and time.monotonic() < end:
        time.sleep(0.02)
    for daemon in "registry", "vault-1":
        os.kill(pid(daemon.replace("registry", "registry-0")), signal.SIGHUP)
        ok(daemon + ": new collateral is in force", said(daemon, '"collateral-renewed"'))
    ran("a client that has it leaves the revoked one's entry out", 0, "vault", "list", "--registry", url,
        says="1 entry does not verify")
    fresh = put_collateral(folder, older)
    for daemon in "registry", "vault-1":
        ok(daemon + ": what was seen does not go back", told(daemon, '"code":"COLLATERAL_ROLLBACK"'))
    put_collateral(folder, {})
    put_collateral(os.path.join(folder, "a"), older)
    put_collateral(os.path.join(folder, "b"), fresh)
    for daemon in "registry", "vault-1":
        ok(daemon + ": two for one platform are refused", told(daemon, '"code":"TRUST_TWICE"'))
    machine.terminate()
    machine.wait()


# ---- everything that the daemon is given ----

def app(*args, **more):
    return run("sim", "run", "--as", "keeper", "--measured", os.path.join(work, "anchor.json"), "--", PLEIAD, *args,
               **more)


SECRET = b"the secret of this run: 7d1c0e52f6ab"


def story():
    """From split to recovery, over the registry that records."""
    url, p = read(home, "registry").decode(), lambda name: os.path.join(work, name)
    run("identity", "anchor", "--out", p("anchor.json"))
    with open(p("keeper.profile"), "wb") as f:
        f.write(run("sim", "measure", "--as", "keeper", "--measured", p("anchor.json"), "--", PLEIAD).stdout)
    run("grant", "issue", "--policy", os.path.join(EXAMPLES, "disk.json"), "--set",
        "profiles.billing-v1=@" + p("keeper.profile"), "--out", p("grant.json"))
    at = ["--anchor", p("anchor.json"), "--descriptor", p("backup.key")]
    r = app("key", "split", "--name", "needle-name", "-k", "2", "-n", "3", "--grant", p("grant.json"), *at,
            "--registry", url, "--report", stdin=SECRET)
    ok("split over what the registry shows", r.returncode == 0 and r.stderr.count(b"verified, used") == 3, r.stderr)
    r = app("key", "recover", *at, "--registry", url)
    ok("recover", r.stdout == SECRET, r.stderr)
    r = app("key", "status", *at)
    ok("status of the key", r.stdout.count(b"active") == 3, r.stderr)
    bad = Registry(page_of(changed(entry[0]), changed(entry[1])))
    r = app("key", "recover", *at, "--registry", bad.url)
    bad.close()
    ok("a registry that alters is of no harm to recover", r.stdout == SECRET, r.stderr)
    r = app("key", "recover", *at, "--registry", "127.0.0.1:1")
    ok("nor is one that is away, and it is said", r.stdout == SECRET and b"going on with" in r.stderr, r.stderr)
    bad = Registry(page_of(entry[0]))
    forget()
    r = app("key", "split", "--name", "x", "--generate", "32", "-k", "2", "-n", "3", "--grant", p("grant.json"),
            "--anchor", p("anchor.json"), "--descriptor", p("x.key"), "--registry", bad.url)
    bad.close()
    ok("with vaults left out a split has too few, and says which are missing", r.returncode == 3 and
       r.stderr.count(b"is not listed there") == 2, r.stderr)
    unlisted(url, p)
    collateral()
    ran("down", 0, "dev", "down")


def unlisted(url, p):
    """Who may hold a share is the owner's to say: in a grant, or at his desk by the list of his home."""
    bare, three = p("bare"), read(home, "vaults")
    two, third = three[:three.index(b"\n", three.index(b"\n") + 1) + 1], three.split()[2]
    os.mkdir(bare)
    os.symlink(os.path.join(home, "authority"), os.path.join(bare, "authority"))
    for name in "owner.pem", "instance":
        shutil.copy(os.path.join(home, name), bare)
    at = ["--dir", bare, "--generate", "32", "-k", "2", "--anchor", p("anchor.json"), "--registry", url, "--report"]
    save(os.path.join(home, "vaults"), two)
    run("grant", "issue", "--policy", os.path.join(EXAMPLES, "disk.json"), "--set",
        "profiles.billing-v1=@" + p("keeper.profile"), "--out", p("two.json"))
    save(os.path.join(home, "vaults"), three)
    r = app("key", "split", "--name", "a", "-n", "2", "--grant", p("two.json"), "--descriptor", p("a.key"), *at)
    ok("where there is no list the grant is the list", r.returncode == 0 and third[:8] not in r.stderr and
       r.stderr.count(b"verified, used") == 2, r.stderr)
    own = ["key", "split", "--policy", os.path.join(EXAMPLES, "disk.json"), *at]
    r = run(*own, "--name", "b", "-n", "2", "--descriptor", p("b.key"))
    ok("an owner without a list signs for nobody whom a registry shows", r.returncode and b"FILE_MISSING" in r.stderr and
       not os.path.exists(p("b.key")), r.stderr)
    save(os.path.join(bare, "vaults"), two)
    r = run(*own, "--name", "c", "-n", "3", "--descriptor", p("c.key"))
    ok("nor for a third beside the two of his list", r.returncode == 3 and b"SPLIT_FEW" in r.stderr and
       third[:8] not in r.stderr, r.stderr)
    r = run(*own, "--name", "d", "-n", "2", "--descriptor", p("d.key"))
    ok("but for these two", r.returncode == 0 and r.stderr.count(b"verified, used") == 2, r.stderr)


def save(path, data):
    with open(path, "wb") as f:
        f.write(data)


def leaves(value):
    if isinstance(value, dict):
        for v in value.values():
            yield from leaves(v)
    elif isinstance(value, list):
        for v in value:
            yield from leaves(v)
    elif isinstance(value, str):
        yield value


def needles():
    """Every text of what the owner, the app and the vaults hold that is no part of an entry."""
    public = set()
    for _, body in bodies():
        public |= set(leaves(body))
    for name in "anchor.json", "grant.json", "backup.key", "keeper.profile":
        yield from (s for s in leaves(json.loads(read(work, name))) if len(s) >= 12 and len(set(s)) > 4 and s not in public)
    yield from (s for s in leaves(json.loads(read(EXAMPLES, "disk.json"))) if len(s) >= 12 and len(set(s)) > 4)
    yield from ("needle-name", SECRET.decode(), SECRET.hex(), read(home, "instance").decode().strip())
    for skip in range(3):
        yield base64.urlsafe_b64encode(SECRET[skip:skip + 30]).decode()
    der = base64.b64decode("".join(read(home, "owner.pem").decode().split("\n")[1:-2]))
    yield from (der[-40:].hex(), base64.urlsafe_b64encode(der[36:66]).decode())


def bodies():
    text, at, decoder = read(work, "record.bodies").decode(), 0, json.JSONDecoder()
    while at < len(text):
        value, at_next = decoder.raw_decode(text, at)
        yield text[at:at_next], value
        at = at_next


HEADERS = [r":method: (GET|POST|DELETE)", r":scheme: https", r":authority: [a-z0-9.:]+",
           r":path: /v1/vaults(/[0-9a-f]{64})?(\?tee=sgx)?", r"content-type: application/json",
           r"content-length: \d+"]
ENTRY = {"certificate", "config_root", "endpoints", "key_list", "labels", "measurement", "not_after", "not_before",
         "serial", "tee", "typ", "vault_id"}


def record():
    strange = [line for line in read(work, "record.headers").decode().split("\n")[:-1]
               if not any(re.fullmatch(h, line) for h in HEADERS)]
    ok("no header but the known ones, with known values", not strange, strange[:20])
    kinds = {"pleiad-entry-1": 0, "pleiad-leave-1": 0}
    wrong = []
    for text, body in bodies():
        said = body["statement"]
        kinds[said["typ"]] += 1
        if set(body) != {"proof", "statement"} or set(said) != (
                ENTRY if said["typ"] == "pleiad-entry-1" else {"serial", "typ", "vault_id"}):
            wrong.append(text[:300])
    ok("no body but entries, with no field but the known ones, and words of leave", not wrong, wrong)
    ok("vaults came, came again and left", kinds["pleiad-entry-1"] >= 4 and kinds["pleiad-leave-1"] >= 3, kinds)
    ok("nobody showed a certificate", not os.path.exists(os.path.join(work, "record.certificates")))
    everything = b"".join(read(work, "record." + s) for s in ("raw", "headers", "bodies"))
    ok("the record holds what was sent", vaults()[0][0].encode() in everything)
    all_needles = set(needles())
    found = [n for n in all_needles if n.encode() in everything]
    ok("none of %d texts of keys, policies, grants, profiles" % len(all_needles), not found and len(all_needles) > 30,
       found)
    words = [w for w in (b"polic", b"approv", b"audit", b"principal", b"share", b"commitment", b"authorization")
             if w in everything]
    ok("nor words of them", not words, words)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # then too, what was started is ended
try:
    setup()
    for test in honest, files, wrong_entries, going_back, bad_pages, asking_for_certificates, bad_wires, story, record:
        test()
finally:
    run("dev", "down")
    run("dev", "down", "--dir", os.path.join(work, "other"))
    shutil.rmtree(work, ignore_errors=True)
print("1..%d" % checks)
sys.exit(1 if failures or not checks else 0)
