"""Real vaults on simulated machines, and a client that has nothing in common with libpleiad: frames
of HTTP/2 by hand over Python's TLS. For the tests beside it. What it starts it ends, by pid."""
import base64
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

WAIT_S = 60
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
FRAME = 16384
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
STATUSES = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}  # RFC 7541, static table
METHODS = {"GET": b"\x82", "POST": b"\x83"}


class Tap:
    def __init__(self):
        self.n = self.failures = 0

    def ok(self, good, name, *why):
        self.n += 1
        self.failures += not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}", flush=True)
        for line in () if good else why:
            print("#  ", str(line)[-3000:].replace("\n", "\n#   "), flush=True)
        return good

    def note(self, text):
        print("#", text, flush=True)

    def end(self):
        print(f"1..{self.n}")
        return 1 if self.failures or not self.n else 0


def until(what, seconds=WAIT_S, step=0.01):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(step)
    return None


def b64(b):
    return base64.urlsafe_b64encode(b).decode().rstrip("=")


def unb64(s):
    return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))


# ---- HTTP/2 ------------------------------------------------------------------------------------


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header that is neither indexed nor remembered; lengths of up to 16,383."""

    def text(s):
        n = len(s)
        return (bytes([n]) if n < 127 else bytes([127, (n - 127) % 128 | 128, (n - 127) // 128])) + s

    return b"\x00" + text(name.encode()) + text(value.encode())


def head(method, path, n=0, more=()):
    block = METHODS.get(method) or literal(":method", method)
    block += b"\x87" + literal(":path", path) + literal(":authority", "vault")
    if n:
        block += literal("content-type", "application/json") + literal("content-length", str(n))
    return block + b"".join(literal(*h) for h in more)


def status_of(block):
    """The first header of an answer, by a peer that was told to keep no table."""
    while block and block[0] & 0xe0 == 0x20:  # size of the table
        n = 1
        if block[0] & 31 == 31:
            while block[n] & 128:
                n += 1
            n += 1
        block = block[n:]
    if block[0] & 0x80:
        return STATUSES[block[0] & 0x7f]
    n, text = block[1] & 0x7f, block[2:]
    if not block[1] & 0x80:
        return int(text[:n])
    bits, out = "".join(f"{b:08b}" for b in text[:n]), ""
    while len(out) < 3:  # Huffman code of the digits, RFC 7541 appendix B
        five = int(bits[:5], 2)
        size = 5 if five < 3 else 6
        out, bits = out + str(five if five < 3 else int(bits[:6], 2) - 0x19 + 3), bits[size:]
    return int(out)


class Gone(Exception):
    """The peer ended the connection."""


class Link:
    """One connection. who: a folder with cert.pem and key.pem, None for a stranger without any."""

    def __init__(self, port, who=None, source=None, timeout=WAIT_S, hello=True):
        self.answers, self.parts, self.next, self.buffer = {}, {}, 1, b""
        self.settings_seen, self.goaway, self.resets = False, None, {}
        self.window, self.stream_window, self.ended = 65535, 65535, False
        self.t = raw(port, source, timeout)
        try:
            self.s = context(who).wrap_socket(self.t, server_hostname="vault")
            if hello:
                self.write(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HIHI", 1, 0, 4, 1 << 30)) +
                           frame(WINDOW, 0, 0, struct.pack(">I", 1 << 30)))
        except BaseException:
            self.t.close()
            raise

    def write(self, data):
        try:
            self.s.sendall(data)
        except (OSError, ssl.SSLError) as e:
            raise Gone(str(e))

    def close(self):
        for s in self.s, self.t:
            s.close()

    def ask(self, method, path, body=None, more=()):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        stream, self.next = self.next, self.next + 2
        block = head(method, path, len(data), more)
        out = frame(HEADERS, (END_HEADERS if len(block) <= FRAME else 0) | (0 if data else END_STREAM), stream, block[:FRAME])
        if len(block) > FRAME:
            out += frame(CONTINUATION, END_HEADERS, stream, block[FRAME:])
        while self.window < len(data):
            self.read()
        self.window -= len(data)
        for i in range(0, len(data), FRAME):
            part = data[i:i + FRAME]
            out += frame(DATA, END_STREAM if i + len(part) == len(data) else 0, stream, part)
        self.write(out)
        return stream

    def read(self):
        """One read, and what is whole of it. Gone at the end."""
        try:
            got = self.s.recv(1 << 16)
        except (ConnectionError, ssl.SSLError) as e:
            self.ended = True
            raise Gone(str(e))
        if not got:
            self.ended = True
            raise Gone("end")
        self.buffer += got
        while len(self.buffer) >= 9:
            n = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + n:
                break
            kind, flags = self.buffer[3], self.buffer[4]
            stream = int.from_bytes(self.buffer[5:9], "big") & 0x7fffffff
            payload, self.buffer = self.buffer[9:9 + n], self.buffer[9 + n:]
            self.take(kind, flags, stream, payload)

    def take(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            self.settings_seen = True
            self.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.write(frame(PING, ACK, 0, payload))
        elif kind == WINDOW and stream == 0:
            self.window += struct.unpack(">I", payload)[0]
        elif kind == GOAWAY:
            self.goaway = struct.unpack(">I", payload[4:8])[0]
        elif kind == RESET:
            self.resets[stream] = struct.unpack(">I", payload)[0]
        elif kind == HEADERS:
            self.parts[stream] = [status_of(payload), b""]
        elif kind == DATA:
            self.parts[stream][1] += payload
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.answers[stream] = tuple(self.parts.pop(stream))

    def answer(self, stream):
        """(status, document); raises Gone, or TimeoutError after the socket's time."""
        while stream not in self.answers:
            if stream in self.resets:
                raise Gone(f"stream reset: {self.resets[stream]}")
            self.read()
        status, body = self.answers.pop(stream)
        return status, json.loads(body) if body else {}

    def call(self, method, path, body=None, more=()):
        return self.answer(self.ask(method, path, body, more))


def raw(port, source=None, timeout=WAIT_S):
    t = socket.socket()
    t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    t.settimeout(timeout)
    try:
        if source:
            t.bind((source, 0))
        t.connect(("127.0.0.1", port))
    except BaseException:
        t.close()
        raise
    t.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return t


contexts = {}


def context(who):
    if who not in contexts:
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
        c.minimum_version = ssl.TLSVersion.TLSv1_3
        c.set_alpn_protocols(["h2"])
        if who:
            c.load_cert_chain(who + "/cert.pem", who + "/key.pem")
        contexts[who] = c
    return contexts[who]


# ---- the world -----------------------------------------------------------------------------------


def files_limit(n):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(n, hard), hard))
    return min(n, hard)


class World:
    """One simulated machine; vaults on it; callers. Everything is in a folder that goes away."""

    def __init__(self, vaultd=None, quote_ms=0, dir=None):
        self.dir = tempfile.mkdtemp(prefix="pleiad-siege.", dir=dir)
        self.children, self.callers, self.runs = [], 0, 0
        # One program for all starts, whatever is built meanwhile.
        self.vaultd = shutil.copy(vaultd or os.environ["VAULTD"], self.path("vaultd"))
        self.pleiad = shutil.copy(os.environ["PLEIAD"], self.path("pleiad"))
        authority = self.path("authority")
        subprocess.run([os.environ["SIMD"], "--new-authority", authority], check=True, stdout=subprocess.DEVNULL)
        os.mkdir(self.path("machine"), 0o700)
        r, w = os.pipe()
        self.spawn([os.environ["SIMD"], "--dir", self.path("machine"), "--authority", authority, "--ready-fd", str(w),
                    "--quote-ms", str(quote_ms)], pass_fds=[w], stderr=subprocess.DEVNULL)
        os.close(w)
        if os.read(r, 1) == b"":
            raise RuntimeError("pleiad-simd did not start")
        os.close(r)
        self.config = self.caller() + "/config.json"

    def __enter__(self):
        return self

    def __exit__(self, *why):
        for p in reversed(self.children):
            if p.poll() is None:
                p.kill()
            p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def spawn(self, args, **more):
        p = subprocess.Popen(args, **more)
        self.children.append(p)
        return p

    def caller(self, bytes_of_extension=0):
        """A folder with a certificate of its own, its key, and a configuration that lets anyone create."""
        folder = self.path(f"caller{self.callers}")
        self.callers += 1
        os.mkdir(folder)
        subprocess.run([os.environ["KIT"], folder, "72000", *([str(bytes_of_extension)] if bytes_of_extension else [])],
                       check=True)
        for what, kind in (("key", "PRIVATE KEY"), ("cert", "CERTIFICATE")):
            der = open(f"{folder}/{what}.der", "rb").read()
            with open(f"{folder}/{what}.pem", "w") as f:
                f.write(f"-----BEGIN {kind}-----\n{base64.encodebytes(der).decode()}-----END {kind}-----\n")
        return folder

    def vault(self, folder, *more, **how):
        return Vault(self, self.path(folder), *more, **how)


class Vault:
    def __init__(self, world, folder, *more, wait=True, pass_fds=(), how=None, **env):
        world.runs += 1
        self.folder, self.port, self.log_path = folder, None, world.path(f"run{world.runs}.log")
        command = [world.pleiad, "sim", "run", "--as", "vault", "--socket", world.path("machine", "simd.sock"),
                   "--", world.vaultd, "--dir", folder, "--listen", "127.0.0.1:0", "--config", world.config, *more]
        with open(self.log_path, "w") as log:
            self.p = world.spawn(command, stdout=log, stderr=log, env={**os.environ, **env},
                                 pass_fds=pass_fds, **(how or {}))
        if wait:
            self.ready()

    def text(self):
        return open(self.log_path).read()

    def ready(self):
        """Its port, or None when it ended."""
        found = until(lambda: re.search(r'"ready".*"port":"?(\d+)', self.text()) or self.p.poll() is not None, step=0.005)
        self.port = int(found[1]) if found and found is not True else None
        return self.port

    def end(self, sig=signal.SIGTERM):
        if self.p.poll() is None:
            self.p.send_signal(sig)
        return self.p.wait(WAIT_S)

    def rss(self):
        """Bytes of memory that it has now."""
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.p.pid}/status").read())[1]) * 1024


def spki(who):
    return open(who + "/spki").read()


def share(who, size=40, owners=()):
    """A create of a share that only this caller may export."""
    principals = {"me": {"kind": "key", "spki_sha256": spki(who)}}
    policy = {"pleiad_policy": 1, "salt": b64(os.urandom(16)), "principals": {"owner": principals},
              "operations": [{"id": "use", "allow": ["export", "describe", "list"], "to": ["owner/*"]}]}
    return {"commitment": b64(os.urandom(32)), "tag": b64(os.urandom(32)), "generation": 1, "policy": policy,
            "share": b64(os.urandom(size)), "type": "raw_share"}


def statement(doc):
    """The key_statement in an answer that carries one."""
    carrier = doc["statement"]
    return carrier["statement"] if isinstance(carrier, dict) else json.loads(carrier)["statement"]


def seed_from(args):
    """--seed N, else one of chance, printed so that it can be given again."""
    seed = int(args[args.index("--seed") + 1]) if "--seed" in args else int.from_bytes(os.urandom(4), "big")
    print(f"# seed {seed}", flush=True)
    return seed
