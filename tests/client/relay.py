"""A man in the middle, on sockets, between libpleiad and vaults. She holds the private keys of an app and of
a vault: what is left against her is evidence over values of each connection. TAP."""
import json
import os
import subprocess

import world as w

SECRET = "00112233445566778899aabbccddeeff"


class Leaky(w.World):
    """Two vaults. The first lost its channel's private key; the second is as it should be."""

    def vault(self, name, sock, config=None, vaultd=None):
        leaks = name == "vault0"
        os.environ["PL_LEAK"] = self.path(name + ".key")
        try:
            return super().vault(name, sock, config, w.env_path("LYING") if leaks else vaultd)
        finally:
            del os.environ["PL_LEAK"]


class Relay:
    """Between the app and `back`, under the certificate of the first vault."""

    def __init__(self, x, back, *mode):
        self.port, self.log = 0, open(x.path("relay.log"), "w+")
        args = [w.env_path("RELAY"), str(x.vaults[0]["port"]), x.path("vault0.key"), str(back["port"]), x.path("app.pem"), *mode]
        self.p = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        x.children.append(self.p)
        self.port = json.loads(self.p.stdout.readline()).get("port")
        self.place = f"{x.vaults[0]['id']}@127.0.0.1:{self.port}"

    def end(self):
        """What happened, line by line."""
        out, _ = self.p.communicate(timeout=60)
        return [json.loads(line) for line in out.splitlines()]


def session(events):
    return [e["status"] for e in events if e["event"] == "answer" and e["path"] == "/v1/session"]


def shares(events):
    return [e for e in events if e["share"]]


def first(x, r):
    return next(v for v in r["vaults"] if v["vault_id"] == x.vaults[0]["id"])


def through(x, relay):
    return f"{relay.place} {x.vaults[1]['id']}@127.0.0.1:{x.vaults[1]['port']}"


def plain(x, t):
    x.owner("keygen", x.path("app.pem"))
    x.anchor("two.json", *(x.profile(v) for v in x.vaults))
    x.order = dict(CLIENT_KEY=x.path("app.pem"), ANCHOR=x.path("two.json"), N="2")
    r = x.app("split", **x.order)
    t.ok(r["exit"] == 0, "an app whose key and a vault whose key are known split a key", r)
    r = x.app("recover", **x.order)
    t.ok(r["exit"] == 0 and r["secret"] == SECRET, "and recover it, with nobody in between", r)
    x.handle = {v["vault_id"]: v["handle"] for v in json.load(open(x.path("disk.pleiad")))["descriptor"]["vaults"]}
    t.ok(len(x.handle) == 2 and os.path.getsize(x.path("vault0.key")) > 0, "the keys are stolen")


def app_relayed(x, t):
    relay = Relay(x, x.vaults[0], "pass")
    r = x.app("recover", PLACES=through(x, relay), **x.order)
    seen = relay.end()
    t.ok(session(seen) == [403], "the vault refuses the app's evidence of another connection", seen)
    t.ok(r["exit"] == 1 and first(x, r)["step"] == "binding" and first(x, r)["why"] == "REPORT_DATA", "and says why", r)
    t.ok(not shares(seen), "no share passes the relay on its way to the app", seen)


def vault_relayed(x, t):
    relay = Relay(x, x.vaults[0], "answer")
    r = x.app("split", PLACES=through(x, relay), **{**x.order, "DESCRIPTOR": x.path("relayed.pleiad")})
    seen = relay.end()
    t.ok(session(seen) == [200], "the relay has the vault's evidence, for her own connection", seen)
    t.ok(r["error"] == "SPLIT_FEW" and first(x, r)["step"] == "binding" and first(x, r)["why"] == "REPORT_DATA", "the app refuses it", r)
    t.ok(not shares(seen) and len(seen) == 2, "no share passes the relay on its way to a vault; nothing else does", seen)
    relay = Relay(x, x.vaults[0], "answer")
    r = x.app("recover", PLACES=through(x, relay), **x.order)
    seen = relay.end()
    t.ok(r["exit"] == 1 and first(x, r)["why"] == "REPORT_DATA" and len(seen) == 2, "nor is anything else asked", [r, seen])


def other_vault(x, t):
    """The app proves itself to a vault that is hostile, which shows the proof to another."""
    relay = Relay(x, x.vaults[1], "use", x.handle[x.vaults[1]["id"]])
    x.app("recover", PLACES=through(x, relay), **x.order)
    seen = relay.end()
    own = [e["status"] for e in seen if e["event"] == "own"]
    t.ok(session(seen) == [403], "evidence for a hostile vault binds nobody at another", seen)
    t.ok(own == [403] and not shares(seen), "which gives her nothing", seen)


def still(x, t):
    r = x.app("recover", **x.order)
    t.ok(r["exit"] == 0 and r["secret"] == SECRET, "afterwards the app recovers its key", r)


if __name__ == "__main__":
    tap = w.Tap()
    world = Leaky(2)
    try:
        for test in (plain, app_relayed, vault_relayed, other_vault, still):
            test(world, tap)
    finally:
        world.stop()
    raise SystemExit(tap.end())
