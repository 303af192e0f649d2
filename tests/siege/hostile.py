"""Hostile peers against a real vault, and an honest one beside them whose every request must be answered
within its deadline. Attackers come from many addresses (all of 127/8 is here), since one address has its
share. Memory stays within what docs/LIMITS.md allows; each limit answers with its own code.

    hostile.py [--long]     the long run has 10,000 connections and the attacks that take 20 seconds"""
import json
import multiprocessing
import os
import signal
import socket
import ssl
import struct
import sys
import time
import traceback

from siege import (CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RESET, SETTINGS, Gone,
                   Link, Tap, World, context, files_limit, frame, head, literal, raw, share, statement, until)

DEADLINE_S = 10  # of an honest request
MIB = 1 << 20
WORKERS = 2
POOL = 64 * MIB  # bodies held by one worker
IDLE = 64 * 1024  # an idle connection
ROOM = 24 * MIB  # the allocator's
CALM = 11  # ENHANCE_YOUR_CALM
LONG = "--long" in sys.argv
PLACES = 10000  # connections to a vault
ATTACK_S = 1500 if LONG else 240  # at most


def address(i):
    return f"127.{1 + i // 62500 % 200}.{i // 250 % 250}.{1 + i % 250}"


# ---- the honest client, a process of its own -----------------------------------------------------


def honest(port, who, pipe, stop):
    """Creates, activates, exports; now and then connects anew. Tells (latency in ms, what went wrong)."""
    link, keys, n = None, [], 0
    while not stop.is_set():
        n += 1
        begin = time.monotonic()
        try:
            if link is None or n % 10 == 0:
                if link:
                    link.close()
                link = Link(port, who, timeout=DEADLINE_S)
            why = honest_call(link, who, keys, n)
        except (Gone, OSError) as e:
            why, link = f"{type(e).__name__}: {e}", None
        pipe.send((1000 * (time.monotonic() - begin), why))
        time.sleep(0.005)
    pipe.send(None)


def honest_call(link, who, keys, n):
    if n % 7 == 0:
        status, doc = link.call("GET", "/v1/status")
        return None if status == 200 else f"status {status} {doc}"
    if n % 5 == 1:
        body = share(who)
        status, doc = link.call("POST", "/v1/keys", body)
        if status != 201:
            return f"create {status} {doc}"
        handle = statement(doc)["handle"]
        status, doc = link.call("POST", f"/v1/keys/{handle}/activate", {})
        keys.append((handle, body["share"]))
        return None if status == 200 else f"activate {status} {doc}"
    handle, expected = keys[n % len(keys)]
    status, doc = link.call("POST", f"/v1/keys/{handle}/export", {})
    return None if status == 200 and doc["share"] == expected else f"export {status} {doc}"


class Beside:
    """The honest client during one attack, and the vault's memory."""

    def __init__(self, vault, who):
        self.vault, self.before, self.peak = vault, vault.rss(), 0
        self.out, into = multiprocessing.Pipe(False)
        self.stop = multiprocessing.Event()
        self.p = multiprocessing.Process(target=honest, args=(vault.port, who, into, self.stop))
        self.p.start()
        self.seen, self.bad, self.done = [], [], False

    def look(self):
        """Takes what was told until now; True once it told anything."""
        self.peak = max(self.peak, self.vault.rss())
        while not self.done and self.out.poll():
            told = self.out.recv()
            if told is None:
                self.done = True
                break
            self.seen.append(told[0])
            self.bad += [told[1]] if told[1] or told[0] > 1000 * DEADLINE_S else []
        return bool(self.seen)

    def end(self):
        self.stop.set()
        while self.p.is_alive():
            self.look()
            self.p.join(0.02)
        self.look()
        self.bad += [] if self.done else ["the honest client died"]
        self.seen.sort()
        return self.seen[len(self.seen) * 99 // 100] if self.seen else float("inf")


def attack(tap, vault, who, name, work, grows=ROOM):
    """work(port) in another process, until it returns what is wrong (None: nothing)."""
    beside = Beside(vault, who)
    until(beside.look)
    out, into = multiprocessing.Pipe(False)
    p = multiprocessing.Process(target=lambda: into.send(guarded(work, vault.port)))
    p.start()
    told = until(lambda: (beside.look(), p.exitcode is not None and not out.poll() or out.poll())[1], ATTACK_S)
    said = out.recv() if told and out.poll() else "the attacker died, or did not come to an end"
    p.join()
    p99 = beside.end()
    grown = beside.peak - beside.before
    tap.note(f"{name}: {len(beside.seen)} honest requests, p99 {p99:.0f} ms, memory +{grown / MIB:.1f} MiB")
    alive = vault.p.poll() is None
    tap.ok(alive and said is None, f"{name}: its limit holds", said, "" if alive else vault.text())
    tap.ok(beside.seen and not beside.bad, f"{name}: an honest client is answered", *beside.bad[:3])
    tap.ok(grown <= grows, f"{name}: memory stays within {grows / MIB:.0f} MiB", f"+{grown / MIB:.1f} MiB")


def guarded(work, port):
    try:
        return work(port)
    except Exception as e:
        return traceback.format_exc(limit=-3)


# ---- connections ---------------------------------------------------------------------------------


def ended(sockets, seconds):
    """How many of these the peer closed, waiting for all."""
    def closed(s):
        s.setblocking(False)
        try:
            return s.recv(1) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
    left = list(sockets)
    def look():
        left[:] = [s for s in left if not closed(s)]
        return not left
    until(look, seconds, step=0.1)
    return len(sockets) - len(left)


def one_address(port):
    """One address has a quarter of the connections; the others are closed at once, not as handshakes
    that never ended: before the first of those would be."""
    for _ in range(5):
        end = time.monotonic() + 4
        conns = [raw(port, address(7)) for _ in range(2600)]
        late = time.monotonic() > end
        gone = until(lambda: ended(conns, 0.01) >= 100, end - time.monotonic())
        for c in conns:
            c.close()
        if gone and not late:
            return None
        if not late:
            return "more than 2500 of 2600 connections from one address are open"
    return "too slow to tell"


def half_open(port):
    """Handshakes that stop: nothing said, a part of a hello, a hello and no more."""
    n = 1000 if LONG else 400
    hello = ssl.MemoryBIO()
    context(None).wrap_bio(ssl.MemoryBIO(), hello, server_hostname="vault")
    c = context(None).wrap_bio(ssl.MemoryBIO(), out := ssl.MemoryBIO(), server_hostname="vault")
    try:
        c.do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello, conns = out.read(), []
    for i in range(n):
        s = raw(port, address(i // 20))
        s.sendall((b"", hello[:40], hello)[i % 3])
        conns.append(s)
    deaf = [s for i, s in enumerate(conns) if i % 3 != 2]
    gone = ended(deaf, 20)
    return None if gone == len(deaf) else f"{len(deaf) - gone} of {len(deaf)} half-open handshakes never ended"


def idle(port, who, n):
    """Connections that do nothing; those who come later get in all the same."""
    conns = []
    for i in range(n):
        try:
            conns.append(Link(port, who if i % 2 else None, address(i // 500)))
        except (OSError, ssl.SSLError) as e:
            return f"connection {i}: {e}"
    link = Link(port, who, address(9999))
    status, doc = link.call("GET", "/v1/status")
    return None if status == 200 else f"with {n} idle connections: {status} {doc}"


def full_house(port, who):
    """All places taken by callers with certificates who do nothing: whoever was idle for longest goes."""
    conns = [Link(port, who, address(i // 500)) for i in range(PLACES)]
    for i in range(50):
        status, doc = Link(port, who, address(9999)).call("GET", "/v1/status")
        if status != 200:
            return f"with {len(conns)} idle connections: {status} {doc}"
    for c in conns:
        c.close()
    return None


# ---- floods on one connection --------------------------------------------------------------------


def flooded(link, feed, most):
    """Sends feed(i) until the connection ends: it must, with ENHANCE_YOUR_CALM, before `most`."""
    link.s.settimeout(10)
    try:
        for i in range(0, most, 50):
            link.write(b"".join(feed(j) for j in range(i, i + 50)))
        while True:
            link.read()
    except Gone:
        pass
    except TimeoutError:
        return "the connection is still open"
    try:
        while not link.ended:
            link.read()
    except Gone:
        pass
    return None if link.goaway in (CALM, None) else f"GOAWAY says {link.goaway}"


def rapid_reset(i):
    stream = 2 * i + 1
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, head("GET", "/v1/keys")) + \
        frame(RESET, 0, stream, struct.pack(">I", 8))


def bomb(i):
    """A name of 3,800 bytes that is remembered, then named by a byte 3,000 times."""
    big = b"\x40\x01x\x7f" + bytes([(3800 - 127) % 128 | 128, (3800 - 127) // 128]) + b"a" * 3800
    return frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, head("GET", "/v1/keys") + big + b"\xbe" * 3000)


FLOODS = {
    "rapid reset": (rapid_reset, 3000),
    "PING flood": (lambda i: frame(PING, 0, 0, b"12345678"), 3000),
    "SETTINGS flood": (lambda i: frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535 + i)), 2000),
    "CONTINUATION flood": (lambda i: frame(CONTINUATION, 0, 1, literal("x", "y" * 100)) if i else
                           frame(HEADERS, END_STREAM, 1, head("GET", "/v1/keys")), 4000),
    "header bomb": (bomb, 100),
    "empty DATA": (lambda i: frame(DATA, 0, 1, b"") if i else frame(HEADERS, END_HEADERS, 1, head("POST", "/v1/keys")),
                   6000),
}


def floods(port, who):
    for turn in range(20 if LONG else 4):
        for name, (feed, most) in FLOODS.items():
            link = Link(port, (who, None)[turn % 2], address(100 + turn))
            bad = flooded(link, feed, most)
            link.close()
            if bad:
                return f"{name}: {bad}"
    return None


# ---- what is answered with a code ------------------------------------------------------------------


def deep(n):
    return b'{"policy":{"a":' + b"[" * n + b"]" * n + b"}}"


def answered(port, who, big):
    """(what, request, status, code); each must be answered so, on one connection after another."""
    twice = json.dumps(share(who))[:-1].encode() + b',"type":"raw_share"}'
    many = b"{" + b",".join(b'"k%d":0' % i for i in range(600)) + b"}"
    policy = share(who)
    policy["policy"]["x"] = "y" * 70000
    rows = [
        ("a body of 300 KiB", ("POST", "/v1/keys", b"x" * 300 * 1024), 413, None),
        ("JSON 17 deep", ("POST", "/v1/keys", deep(15)), 400, "json-depth"),
        ("JSON 100,000 deep", ("POST", "/v1/keys", deep(120000)), 400, "json-depth"),
        ("a key twice", ("POST", "/v1/keys", twice), 400, "json-duplicate"),
        ("600 keys", ("POST", "/v1/keys", many), 400, None),
        ("a policy of 70 KB", ("POST", "/v1/keys", policy), 400, "json-length"),
        ("headers of 20 KB", ("GET", "/v1/keys", None, [("x", "y" * 12000), ("z", "y" * 8000)]), 431, None),
        ("an Idempotency-Key of 65", ("POST", "/v1/keys", share(who), [("idempotency-key", "k" * 65)]), 400,
         "idempotency-key"),
        ("no JSON", ("POST", "/v1/session", b"\xff" * 2000), 400, "json-syntax"),
    ]
    for what, ask, status, code in rows:
        link = Link(port, who, address(3), timeout=DEADLINE_S)
        stream = link.ask(*ask)
        while stream not in link.answers:
            link.read()
        got, body = link.answers[stream]
        if got != status or (code and json.loads(body)["code"] != code):
            return f"{what}: {got} {body[:300]}"
        link.close()
    for i in range(100 if LONG else 20):  # certificates of 64 KiB, and one that is too long
        Link(port, big[0], address(4 + i % 3)).close()
        try:
            link = Link(port, big[1], address(4 + i % 3))
            link.call("GET", "/v1/status")
            return "a certificate of 90 KB was accepted"
        except (Gone, OSError):
            pass
    return None


def bodies(port, who):
    """100 streams a connection, each with 200 KB of a body that does not end: 429 past 2 MiB."""
    links, limited = [], 0
    for i in range(40):
        link = Link(port, who, address(300 + i), timeout=DEADLINE_S)
        until(lambda: link.settings_seen or link.read())
        while link.window < 2 * MIB - 65536:
            link.read()
        for stream in range(1, 41, 2):
            link.write(frame(HEADERS, END_HEADERS, stream, head("POST", "/v1/keys")) +
                       b"".join(frame(DATA, 0, stream, b" " * 16384) for _ in range(6)))
        links.append(link)
    for link in links:
        try:
            while not link.parts and not link.answers and not link.resets:
                link.read()
            limited += any(a[0] == 429 for a in list(link.answers.values()) + [tuple(p) for p in link.parts.values()])
        except (Gone, OSError):
            limited += 1
    return None if limited == len(links) else f"{limited} of {len(links)} connections were limited"


# ---- evidence ------------------------------------------------------------------------------------


def ask_evidence(port, sources):
    """A connection from each of these addresses, all at once, each asking for the vault's evidence."""
    links = [Link(port, None, a, timeout=DEADLINE_S) for a in sources]
    asked = [(link, link.ask("POST", "/v1/session", {})) for link in links]
    out = [link.answer(stream) for link, stream in asked]
    for link in links:
        link.close()
    return [(status, doc.get("code")) for status, doc in out]


def strangers(port):
    """Everybody wants the vault's evidence, and the hardware takes 50 ms for a quote. Each is answered
    200, or 429 when its address had its share or the queue is full."""
    seen = set(ask_evidence(port, [address(8)] * 90))
    if seen != {(200, None), (429, "peer-budget")} and seen != {(200, None), (429, "peer-budget"), (429, "quote-queue-full")}:
        return f"one address: {seen}"
    for turn in range(60 if LONG else 8):
        seen |= set(ask_evidence(port, [address(1000 + 150 * turn + i) for i in range(150)]))
    wanted = {(200, None), (429, "quote-queue-full"), (429, "peer-budget")}
    return None if wanted == seen else f"answers: {seen}"


# ---- slow ones -----------------------------------------------------------------------------------


def slow_senders(port, who):
    """A byte of a body every second: 408 after 20 seconds."""
    links = [Link(port, who, address(500 + i // 20)) for i in range(200)]
    for link in links:
        link.write(frame(HEADERS, END_HEADERS, 1, head("POST", "/v1/keys", 5000)))
    end = time.monotonic() + 30
    while time.monotonic() < end and not all(l.answers for l in links):
        for link in links:
            try:
                link.s.settimeout(0.001)
                if not link.answers:
                    link.write(frame(DATA, 0, 1, b" "))
                    link.read()
            except (TimeoutError, ssl.SSLWantReadError, Gone):
                pass
        time.sleep(0.5)
    late = [l for l in links if not l.answers or l.answers[1][0] != 408]
    return None if not late else f"{len(late)} of {len(links)} slow requests were not answered 408"


def slow_readers(port, who):
    """100 answers asked for on each of 200 connections, and no window to send them: together more than
    there is room for. Others find room all the same; each of these ends after 20 seconds."""
    links = []
    for i in range(200):
        link = Link(port, who, address(700 + i), hello=False)
        link.write(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HIHI", 1, 0, 4, 0)))
        link.write(b"".join(frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, head("GET", "/v1/openapi.json"))
                            for n in range(100)))
        links.append(link)
    open_ = set(links)
    def look():
        for link in list(open_):
            try:
                link.s.settimeout(0.001)
                link.read()
            except (TimeoutError, ssl.SSLWantReadError):
                pass
            except Gone:
                open_.discard(link)
        return not open_
    until(look, 60 if LONG else 3, step=0.2)
    return None if not open_ or not LONG else f"{len(open_)} of {len(links)} readers that do not read were kept"


def main():
    tap = Tap()
    files_limit(20000)
    with World(quote_ms=50) as world:
        vault = world.vault("vault", "--workers", str(WORKERS))
        if not tap.ok(vault.port, "the vault starts", vault.text()):
            return tap.end()
        me, other = world.caller(), world.caller()
        big = world.caller(60000), world.caller(90000)
        run = lambda name, work, grows=ROOM: attack(tap, vault, me, name, work, grows)
        idlers = PLACES - 500 if LONG else 600
        run("nothing but one's own requests", lambda port: time.sleep(1))
        run(f"{idlers} idle connections", lambda port: idle(port, other, idlers), ROOM + idlers * IDLE)
        run("half-open handshakes", half_open, ROOM + 1000 * IDLE)
        run("2,600 connections from one address", one_address, ROOM + 2500 * IDLE)
        run("floods of frames", lambda port: floods(port, other))
        run("malformed and oversized", lambda port: answered(port, other, big))
        run("bodies that do not end", lambda port: bodies(port, other), ROOM + WORKERS * POOL)
        run("strangers who ask for evidence", strangers)
        run("readers who do not read", lambda port: slow_readers(port, other), ROOM + WORKERS * POOL)
        if LONG:
            run("a full house", lambda port: full_house(port, other), ROOM + PLACES * IDLE)
            run("slow senders", lambda port: slow_senders(port, other))
        tap.ok(vault.end() == 0, "the vault ends cleanly", vault.text())
    return tap.end()


sys.exit(main())
