#!/usr/bin/env python3
"""Chromium's passkeys over statements, judged by the code of a vault. TAP."""
import base64
import hashlib
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
from chromium import Chromium

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "client"))
from world import Tap  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
JUDGE = os.environ.get("JUDGE")
KIND = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True,
        "automaticPresenceSimulation": True}
tap = Tap()
ok = tap.ok


def plan(least):
    return 1 if tap.end() or tap.n < least else 0


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(os.path.join(HERE, "page.html"), "rb") as f:
            body = f.read()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Site:
    """The test page on a port of its own, and a browser tab on it with an authenticator."""

    def __init__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.origin = f"http://localhost:{self.server.server_port}"
        self.home = tempfile.mkdtemp(prefix="pleiad-passkey.")
        self.browser = Chromium(self.home)

    def __enter__(self):
        self.tab = self.browser.page(self.origin + "/")
        self.browser.call("WebAuthn.enable", self.tab)
        self.key = self.browser.call("WebAuthn.addVirtualAuthenticator", self.tab, options=KIND)["authenticatorId"]
        return self

    def __exit__(self, *_):
        self.browser.close()
        self.server.shutdown()
        self.server.server_close()
        subprocess.run(["rm", "-rf", self.home], check=True)

    def run(self, function, *arguments):
        return self.browser.run(self.tab, f"{function}({','.join(json.dumps(a) for a in arguments)})")


def carrier(proof, statement):
    return json.dumps({"proof": proof}, separators=(",", ":"))[:-1] + ',"statement":' + statement + "}"


def judge(proof, statement):
    done = subprocess.run([JUDGE, "verify"], input=carrier(proof, statement), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signs(site, alg, name, statement):
    try:
        who = site.run("register", alg)
    except RuntimeError as e:
        print(f"# {name}: this browser's authenticator makes no such key: {e}")
        return None
    first, second = (judge(site.run("sign", statement, who), statement) for _ in range(2))
    ok(first["error"] == "OK" and first["form"] == 2, f"{name}: a vault believes what the browser signed", first)
    ok(first["origin"] == site.origin, f"{name}: at this origin", first)
    ok(first["rp_id_sha256"] == hashlib.sha256(b"localhost").hexdigest(), f"{name}: for this rp_id", first)
    ok(bytes.fromhex(first["credential_id"]) == unb64u(who["credential_id"]), f"{name}: by this credential", first)
    ok(second["authenticator"] == first["authenticator"] and second["count"] > first["count"], f"{name}: one authenticator, that counts", second)
    return who


def refuses(site, who, statement):
    proof = site.run("sign", statement, who)
    other = statement.replace('"op":"describe"', '"op":"list"')
    ok(other != statement and judge(proof, other)["error"] == "PASSKEY_CHALLENGE", "it signed no other statement", judge(proof, other))
    for part in ("authenticator_data", "client_data", "signature"):
        bytes_ = bytearray(unb64u(proof["passkey"][part]))
        bytes_[len(bytes_) // 2] ^= 1
        changed = {"passkey": {**proof["passkey"], part: base64.urlsafe_b64encode(bytes_).decode().rstrip("=")}}
        ok(judge(changed, statement)["error"] == "SIGNATURE", f"{part}, one bit changed", judge(changed, statement))
    site.browser.call("WebAuthn.setUserVerified", site.tab, authenticatorId=site.key, isUserVerified=False)
    weak = judge(site.run("sign", statement, who, "discouraged"), statement)
    ok(weak["error"] == "PASSKEY_VERIFIED", "a touch without verification is not enough", weak)
    site.browser.call("WebAuthn.setUserVerified", site.tab, authenticatorId=site.key, isUserVerified=True)


def frames(site, who, statement):
    site.browser.go(site.tab, site.origin.replace("localhost", "127.0.0.1") + "/")
    proof = site.run("framed", statement, who)
    seen = json.loads(unb64u(proof["passkey"]["client_data"]))
    ok(seen["origin"] == site.origin and seen["crossOrigin"], "another site had it signed in a frame", seen)
    ok(judge(proof, statement)["error"] == "PASSKEY_FRAME", "which no vault accepts", judge(proof, statement))


def main():
    statement = subprocess.run([JUDGE, "statement"], capture_output=True, text=True, check=True).stdout
    with Site() as site:
        print("#", site.browser.call("Browser.getVersion")["product"])
        found = [signs(site, alg, name, statement) for alg, name in ((-7, "ES256"), (-8, "EdDSA"), (-257, "RS256"))]
        if found[0]:
            refuses(site, found[0], statement)
            frames(site, found[0], statement)
    return plan(12)  # whichever keys it makes, P-256 is one


if __name__ == "__main__":
    sys.exit(main())
