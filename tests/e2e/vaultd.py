#!/usr/bin/python3
"""A real vault and a caller that is not ours (curl): what was acknowledged survives kill -9 under
load, a stop under load ends cleanly, one directory has one process, a copied directory or another
configuration does not start, a full disk releases nothing and loses nothing, an ended certificate
is nobody."""
import base64, json, os, re, shutil, signal, subprocess, sys, tempfile, threading, time

PLEIAD, VAULTD, SIMD, KIT = (os.environ[n] for n in ("PLEIAD", "VAULTD", "SIMD", "KIT"))
WAIT_S = 30
work = tempfile.mkdtemp(prefix="pleiad-test.")
checks = failures = 0


def ok(name, good, *why):
    global checks, failures
    checks += 1
    failures += not good
    print("%s %d - %s" % ("ok" if good else "not ok", checks, name), flush=True)
    for line in () if good else why:
        print("#  ", str(line)[-2000:], flush=True)
    return good


def until(what):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(0.02)
    return None


class Machine:
    def __init__(self, name, authority):
        self.dir = os.path.join(work, name)
        os.mkdir(self.dir, 0o700)
        self.simd = subprocess.Popen([SIMD, "--dir", self.dir, "--authority", authority],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.socket = os.path.join(self.dir, "simd.sock")
        until(lambda: os.path.exists(self.socket))


class Vault:
    def __init__(self, machine, folder, config, *more):
        self.log = tempfile.NamedTemporaryFile(dir=work, prefix="vault-log.", delete=False).name
        command = [PLEIAD, "sim", "run", "--as", "vault", "--socket", machine.socket, "--", VAULTD,
                   "--dir", folder, "--listen", "127.0.0.1:0", "--snapshot-every", "40", *more]
        self.p = subprocess.Popen(command + (["--config", config] if config else []),
                                  stdout=open(self.log, "w"), stderr=subprocess.STDOUT)
        until(lambda: '"ready"' in self.text() or self.p.poll() is not None)
        port = re.search(r'"ready".*"port":"?(\d+)', self.text())
        self.url = "https://127.0.0.1:%s/v1/" % port[1] if port else None

    def text(self):
        return open(self.log).read()

    def end(self, sig):
        if self.p.poll() is None:
            self.p.send_signal(sig)
        try:
            return self.p.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.p.kill()
            return "did not end"


class Client:
    def __init__(self, name, ends_in_s=72000):
        self.dir = os.path.join(work, name)
        os.mkdir(self.dir)
        subprocess.run([KIT, self.dir, str(ends_in_s)], check=True)
        self.spki = open(self.dir + "/spki").read()
        self.config = self.dir + "/config.json"
        for what, kind in (("key", "pkey"), ("cert", "x509")):
            subprocess.run(["openssl", kind, "-inform", "DER", "-in", "%s/%s.der" % (self.dir, what),
                            "-out", "%s/%s.pem" % (self.dir, what)], check=True)

    def calls(self, requests):
        """Several requests on one connection; (status, document) of those that were answered."""
        if not requests:
            return []
        lines = []
        for method, url, body in requests:
            lines += ["next"] if lines else []
            lines += ["silent", "insecure", "http2", 'max-time = "10"', 'request = "%s"' % method,
                      'cert = "%s/cert.pem"' % self.dir, 'key = "%s/key.pem"' % self.dir,
                      'write-out = "\\n%{http_code}\\n"', 'url = "%s"' % url]
            if body is not None:
                path = tempfile.NamedTemporaryFile(dir=self.dir, delete=False).name
                open(path, "w").write(json.dumps(body))
                lines += ['data-binary = "@%s"' % path, 'header = "Content-Type: application/json"']
        out = subprocess.run(["curl", "-K", "-"], input="\n".join(lines), text=True,
                             stdout=subprocess.PIPE).stdout.split("\n")
        answers = zip(out[0::2], out[1::2])
        return [(int(s), json.loads(b) if b else {}) for b, s in answers if s and s != "000"]

    def call(self, method, url, body=None):
        got = self.calls([(method, url, body)])
        return got[0] if got else (0, {})

    def key(self, size=40):
        b64 = lambda b: base64.urlsafe_b64encode(b).decode().rstrip("=")
        policy = {"pleiad_policy": 1, "salt": b64(os.urandom(16)),
                  "principals": {"owner": {"me": {"kind": "key", "spki_sha256": self.spki}}},
                  "operations": [{"id": "use", "allow": ["export", "describe", "list"],
                                  "to": ["owner/*"]}]}
        return {"commitment": b64(os.urandom(32)), "tag": b64(os.urandom(32)), "generation": 1,
                "policy": policy, "share": b64(os.urandom(size)), "type": "raw_share"}


class Load:
    """Creates and activates until told to stop; keeps its own list of what was acknowledged."""

    def __init__(self, url, name, threads=3):
        self.url, self.acked, self.stop, self.shares = url, {}, False, {}
        self.threads = [threading.Thread(target=self.run, args=(Client("%s-%d" % (name, i)),))
                        for i in range(threads)]
        for t in self.threads:
            t.start()

    def run(self, client):
        while not self.stop:
            bodies = [client.key() for _ in range(10)]
            made = client.calls([("POST", self.url + "keys", b) for b in bodies])
            handles = []
            for (status, doc), body in zip(made, bodies):
                if status == 201:
                    handle = handle_of(doc)
                    self.acked[handle] = (client, "prepared", body["share"])
                    handles.append(handle)
            done = client.calls([("POST", self.url + "keys/%s/activate" % h, {}) for h in handles])
            for (status, _), handle in zip(done, handles):
                if status == 200:
                    self.acked[handle] = (client, "active", self.acked[handle][2])
            self.stop |= not made

    def end(self):
        self.stop = True
        for t in self.threads:
            t.join()
        return self.acked


def handle_of(doc):
    text = json.dumps(doc["statement"])
    found = re.search(r'handle\\*": ?\\*"([A-Za-z0-9_-]{22})', text)
    return found[1]


def lost(vault, acked):
    """Of what was acknowledged, what the vault does not have as it was."""
    bad, by_client = [], {}
    for handle, (client, state, share) in acked.items():
        by_client.setdefault(client, []).append((handle, state, share))
    for client, keys in by_client.items():
        active = [k for k in keys if k[1] == "active"]
        got = client.calls([("POST", vault.url + "keys/%s/export" % h, {}) for h, _, _ in active])
        bad += [(k[0], a) for k, a in zip(active, got) if a[0] != 200 or a[1]["share"] != k[2]]
        bad += ["%d of %d answered" % (len(got), len(active))] * (len(got) != len(active))
        rest = [k for k in keys if k[1] == "prepared"]
        got = client.calls([("POST", vault.url + "keys/%s/activate" % h, {}) for h, _, _ in rest])
        # the activation may have been done without having been answered
        bad += [(k[0], a) for k, a in zip(rest, got) if a[0] not in (200, 409)]
    return bad


def kill_under_load(machine, folder, config):
    acked, total = {}, 0
    for i in range(3):
        vault = Vault(machine, folder, config)
        if not ok("start %d" % i, vault.url, vault.text()):
            return
        load = Load(vault.url, "load-%d" % i)
        until(lambda: len(load.acked) > 60 and '"snapshot"' in vault.text())
        vault.end(signal.SIGKILL)
        acked.update(load.end())
    vault = Vault(machine, folder, config)
    ok("it starts from a snapshot", '"from_snapshot":"0"' not in vault.text(), vault.text())
    bad = lost(vault, acked)
    ok("kill -9 loses nothing of %d keys" % len(acked), len(acked) > 150 and not bad, bad[:5])
    load = Load(vault.url, "load-stop")
    until(lambda: len(load.acked) > 60)
    code = vault.end(signal.SIGTERM)
    acked = load.end()
    ok("a stop under load ends cleanly", code == 0, code, vault.text())
    vault = Vault(machine, folder, config)
    bad = lost(vault, acked)
    ok("and loses nothing", not bad, bad[:5], vault.text())
    return vault


def says_what_it_is(vault):
    """Simulated hardware is named in the version, the status and the certificate."""
    port = vault.url.split(":")[2].split("/")[0]
    shown = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:" + port, "-alpn", "h2"],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    subject = re.search(r"subject=.*", shown)
    status = Client("looker").call("GET", vault.url + "status")[1]
    version = subprocess.run([VAULTD, "--version"], capture_output=True, text=True).stdout
    ok("the certificate says what hardware", subject and "sim-sgx" in subject[0], shown[:500])
    ok("so does the status", status.get("tee") == "sim-sgx" and status.get("sim") is True, status)
    ok("so does the version", "sim" in version.split("(", 1)[-1], version)


def refused_starts(machine, other, vault, folder, config, other_config):
    second = Vault(machine, folder, config)
    ok("a second process is refused", second.url is None and "STORE_BUSY" in second.text(),
       second.text())
    vault.end(signal.SIGTERM)
    copy = folder + ".copy"
    shutil.copytree(folder, copy)
    os.chmod(copy, 0o700)
    moved = Vault(other, copy, config)
    ok("on another machine the root stays sealed", moved.url is None and "ROOT_SEAL" in moved.text(),
       moved.text())
    changed = Vault(machine, folder, other_config)
    ok("another configuration is refused", changed.url is None and "CONFIG_OTHER" in changed.text(),
       changed.text())
    again = Vault(machine, folder, None)
    ok("with the old one all is there", again.url and '"serving"' in again.text(), again.text())
    again.end(signal.SIGTERM)


def ended_certificate(vault):
    """Two requests on one connection, 5 seconds apart, the certificate's end between them."""
    client = Client("short", ends_in_s=303)  # the vault's doubt about the time is 300 s
    config = ["silent", "insecure", "http2", 'rate = "12/m"', 'cert = "%s/cert.pem"' % client.dir,
              'key = "%s/key.pem"' % client.dir, 'write-out = "\\n%{http_code} %{num_connects}\\n"',
              'url = "%skeys"' % vault.url, 'url = "%skeys"' % vault.url]
    out = subprocess.run(["curl", "-K", "-"], input="\n".join(config), text=True,
                         stdout=subprocess.PIPE).stdout.split("\n")
    ok("a current certificate is somebody", out[1:2] == ["200 1"], out)
    ok("one that ended meanwhile is nobody", out[3:4] == ["403 0"] and "connect anew" in out[2], out)


def full_disk(machine, client):
    disk = os.path.join(work, "disk")
    os.mkdir(disk)
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m,mode=700", "tmpfs", disk]
    if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode != 0:
        return ok("a full disk # SKIP nothing can be mounted here", True)
    try:
        fill(machine, client, disk)
    finally:
        subprocess.run(["umount", disk])


def fill(machine, client, disk):
    vault, acked, refused = Vault(machine, disk + "/v", client.config), {}, None
    while not refused and len(acked) < 1000:
        bodies = [client.key(60000) for _ in range(10)]
        made = client.calls([("POST", vault.url + "keys", b) for b in bodies])
        acked.update({handle_of(d): (client, "prepared", b["share"])
                      for (s, d), b in zip(made, bodies) if s == 201})
        refused = next((d for s, d in made if s != 201), None)
    ok("a full disk is an unknown outcome", refused and refused["code"] == "outcome-unknown", refused)
    ok("nothing more is made", client.call("POST", vault.url + "keys", client.key())[0] == 503)
    gone = client.call("DELETE", vault.url + "keys/" + next(iter(acked)))
    ok("what takes away is done, and told as pending", gone[0] == 202 and gone[1]["pending"], gone)
    ok("it ends cleanly", vault.end(signal.SIGTERM) == 0, vault.text())
    ok("and said why", '"log-locked"' in vault.text(), vault.text())
    vault = Vault(machine, disk + "/v", client.config)
    ok("it does not start while there is no room", not vault.url and "STORE_FULL" in vault.text(),
       vault.text())
    subprocess.run(["mount", "-o", "remount,size=100m", disk])
    vault = Vault(machine, disk + "/v", client.config)
    bad = lost(vault, acked) if vault.url else vault.text()
    ok("with room nothing is lost", not bad, bad[:5])
    vault.end(signal.SIGTERM)


def main():
    authority = os.path.join(work, "authority")
    subprocess.run([SIMD, "--new-authority", authority], check=True, stdout=subprocess.DEVNULL)
    machines = [Machine("machine-1", authority), Machine("machine-2", authority)]
    one, two = Client("one"), Client("two")
    folder = os.path.join(work, "vault")
    try:
        vault = kill_under_load(machines[0], folder, one.config)
        says_what_it_is(vault)
        ended_certificate(vault)
        refused_starts(machines[0], machines[1], vault, folder, one.config, two.config)
        full_disk(machines[0], one)
    finally:
        for m in machines:
            m.simd.terminate()
            m.simd.wait()
        shutil.rmtree(work, ignore_errors=True)
    print("1..%d" % checks)
    return 1 if failures else 0


sys.exit(main())
