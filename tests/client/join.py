"""What two vaults could join. Each writes down all that it receives and keeps; a joiner that knows the code
looks for anything that names one key at both. Arrival time is excluded: it pairs them, and always will. TAP."""
import base64
import json
import os
import re

import world as w

KEYS = 4
GRAM, PIECE = 12, 4  # bytes: a handle has 16, a digest 32, a serial 16
PARTS = "headers", "bodies", "leaf", "entries"  # what came is in .raw too, with headers packed bit by bit
TOKEN = re.compile(rb"[A-Za-z0-9_-]{16,}")
# Moments, in the forms of certificates, statements and entries, and the lengths in front of DER integers.
MOMENT = re.compile(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ|\d{12}Z|\x00{4}[\x60-\x7f]...|\x30[\x43-\x46]\x02[\x1e-\x21]\x00?", re.S)


class Witnessed(w.World):
    def vault(self, name, sock, config=None, vaultd=None):
        os.environ["PL_RECORD"] = self.path(name)
        try:
            return super().vault(name, sock, config, vaultd)
        finally:
            del os.environ["PL_RECORD"]


def recorded(x, v):
    names = {part: x.path(f"{v['name']}.{part}") for part in PARTS}
    return {part: open(f, "rb").read() if os.path.exists(f) else b"" for part, f in names.items()}


def grams(view):
    """Every run of bytes, as it came and as what its text stands for."""
    texts = [MOMENT.sub(b"", view[part]) for part in PARTS]
    for part in "bodies", "headers":
        for token in TOKEN.findall(view[part]):
            texts.append(MOMENT.sub(b"", base64.urlsafe_b64decode(token[:len(token) // 4 * 4])))
    return {text[i:i + GRAM] for text in texts for i in range(len(text) - GRAM + 1)}


def pieces(g):
    return {s[i:i + PIECE] for s in g for i in (0, PIECE, 2 * PIECE)}


def only(both, others):
    """What none of the others has, not even in pieces: else it is known text with a random letter at its end."""
    rest = set().union(*map(pieces, others))
    return {g for g in both.difference(*others) if not pieces([g]) & rest}


def sessions(view):
    """The bodies of POST /v1/session: evidence or nothing, alone in its batch."""
    return [json.loads(m) for m in re.findall(rb'\{"count":.{20,90000}?"path":\[[^\]]*\]\}', view["bodies"])]


def split_each(x, t):
    """What each vault learned while each of the keys was made; one process a key, as fast as they come."""
    views = []
    for i in range(KEYS):
        before = [recorded(x, v) for v in x.vaults]
        r = x.app("split", N="2", DESCRIPTOR=x.path(f"{i}.pleiad"))
        t.ok(r["exit"] == 0, f"key {i} is split", r)
        after = [recorded(x, v) for v in x.vaults]
        views.append([{p: a[p][len(b[p]):] for p in PARTS} for a, b in zip(after, before)])
    return views


def nothing_in_common(x, t):
    views = split_each(x, t)
    for i, pair in enumerate(views):
        for view in pair:
            t.ok(all(view[p] for p in PARTS), f"key {i}: all of it was written down", {p: len(view[p]) for p in PARTS})
            said = sessions(view)
            t.ok(len(said) == 1 and said[0]["count"] == 1 and said[0]["index"] == 0 and said[0]["path"] == [],
                 f"key {i}: evidence for this vault alone; how many were asked is not said", said)
    seen = [[grams(view) for view in pair] for pair in views]
    for i, (one, other) in enumerate(seen):
        rest = [s for j, pair in enumerate(seen) if j != i for s in pair]
        both = only(one & other, rest)
        t.ok(not both, f"key {i}: nothing that only its two vaults have", sorted(both)[:5])
    t.ok(only(seen[0][0], [s[0] for s in seen[1:]]), "what one vault learned of one key is there to be found")


def app_is_known(x, t):
    """The joiner works: a client with one key for all channels is paired by it."""
    x.owner("keygen", x.path("client.pem"))
    before = [recorded(x, v) for v in x.vaults]
    r = x.app("split", N="2", DESCRIPTOR=x.path("own.pleiad"), CLIENT_KEY=x.path("client.pem"))
    t.ok(r["exit"] == 0, "a key of a client with a key of its own", r)
    views = [{p: a[p][len(b[p]):] for p in PARTS} for a, b in zip([recorded(x, v) for v in x.vaults], before)]
    one, other = (grams(v) for v in views)
    t.ok(only(one & other, [grams(b) for b in before]), "is found at both vaults")


def kept(x, t):
    """Calls of one process use one connection to a vault, and each call its own anchor."""
    env = dict(DESCRIPTOR=x.path("0.pleiad"))
    before = [recorded(x, v) for v in x.vaults]
    r = x.app("recover", REPEAT="3", **env)
    after = [recorded(x, v) for v in x.vaults]
    t.ok(r["exit"] == 0 and r["secret"], "three calls in one process", r)
    new = [{p: a[p][len(b[p]):] for p in PARTS} for a, b in zip(after, before)]
    t.ok(all(len(sessions(view)) == 1 for view in new), "bind one session at each vault", [len(sessions(v)) for v in new])
    t.ok(all(view["headers"].count(b"/export") == 3 for view in new), "and ask three times", [v["headers"].count(b"/export") for v in new])
    other = x.profile(x.vaults[0])
    other["measurements"]["mrenclave"] = ["ee" * 32]
    x.anchor("other.json", other)
    r = x.app("recover", REPEAT="2", ANCHOR_THEN=x.path("other.json"), **env)
    t.ok(r["exit"] == 1 and {v["why"] for v in r["vaults"]} == {"PROFILE_MEASUREMENT"}, "a kept connection is judged by the anchor of the call", r)


if __name__ == "__main__":
    tap = w.Tap()
    world = Witnessed(2)
    try:
        for test in (nothing_in_common, app_is_known, kept):
            test(world, tap)
    finally:
        world.stop()
    raise SystemExit(tap.end())
