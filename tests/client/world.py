"""Vaults on simulated machines, an owner, an app: for the client tests. Ends what it started, by pid."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

READY_S = 60
ZEROS = "00" * 32
INSTANCE = "11" * 32


class Tap:
    def __init__(self):
        self.n = self.failures = 0

    def ok(self, good, name, why=""):
        self.n += 1
        self.failures += not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}{'' if good else ': ' + str(why)[:1500]}", flush=True)
        return good

    def end(self):
        print(f"1..{self.n}")
        return 1 if self.failures or not self.n else 0


def env_path(name):
    return os.environ[name]


def until(good):
    end = time.monotonic() + READY_S
    while not good() and time.monotonic() < end:
        time.sleep(0.02)
    return good()


class World:
    """n machines with a vault each. Everything is in a private folder that goes away."""

    def __init__(self, n=4, vaultd=None):
        self.dir = tempfile.mkdtemp(prefix="pleiad-client.")
        self.children, self.vaults, self.machine_process = [], [], {}
        self.probe, self.pleiad = env_path("PROBE"), env_path("PLEIAD")
        self.vaultd = vaultd or env_path("VAULTD")
        try:
            self.start(n)
        except BaseException:
            self.stop()
            raise

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def inside(self, name):
        """What a command begins with that is to run where this vault, or "app", is."""
        return []

    def at(self, vault):
        return f"127.0.0.1:{vault['port']}"

    def spawn(self, args, **more):
        p = subprocess.Popen(args, start_new_session=True, **more)
        self.children.append(p)
        return p

    def machine(self, name, *options):
        os.makedirs(self.path(name), 0o700, exist_ok=True)
        read, write = os.pipe()
        self.machine_process[name] = self.spawn([env_path("SIMD"), "--dir", self.path(name), "--authority", self.path("A"), "--ready-fd",
                    str(write), *options], pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        if os.read(read, 1) == b"":
            raise RuntimeError("pleiad-simd did not start")
        os.close(read)
        return self.path(name, "simd.sock")

    def vault(self, name, sock, config=None, vaultd=None):
        log = open(self.path(name + ".log"), "w+b")
        args = [*self.inside(name), self.pleiad, "sim", "run", "--as", "vault", "--socket", sock, "--",
                vaultd or self.vaultd, "--dir", self.path(name), "--listen", "127.0.0.1:0", "--config", config or self.path("config.json"),
                "--collateral", self.path("A", "collateral")]
        p = self.spawn(args, stderr=log)
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            for line in open(log.name, "rb").read().splitlines():
                event = json.loads(line)
                if event.get("event") == "ready":
                    return {"name": name, "id": event["vault_id"], "port": int(event["port"]), "process": p,
                            "log": log.name, "socket": sock}
            if p.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("vault did not start: " + open(log.name).read()[-2000:])

    def owner(self, *args, **env):
        return self.run([self.probe, *args], OWNER="1", **env)

    def run(self, args, **env):
        e = {k: v for k, v in os.environ.items() if not k.startswith("PLEIAD_SIM")}
        e.update({"ROOT": self.path("A", "root.pem"), "COLLATERAL": self.path("A", "collateral"), **env})
        r = subprocess.run([*self.inside("app"), *args], env=e, capture_output=True, text=True, timeout=120)
        try:
            out = json.loads(r.stdout) if r.stdout.strip() else {}
        except ValueError:
            out = {"error": "no JSON: " + r.stdout}
        out["exit"], out["stderr"] = r.returncode, r.stderr[-500:]
        return out

    def app(self, verb, name="billing", probe=None, measured=(), **env):
        args = [self.pleiad, "sim", "run", "--as", name, "--socket", self.app_socket]
        for f in measured:
            args += ["--measured", f]
        env.setdefault("PLACES", self.places())
        env.setdefault("ANCHOR", self.path("anchor.json"))
        env.setdefault("GRANT", self.path("grant.json"))
        env.setdefault("DESCRIPTOR", self.path("disk.pleiad"))
        return self.run([*args, "--", probe or self.probe, verb], **env)

    def places(self):
        return " ".join(f"{v['id']}@{self.at(v)}" for v in self.vaults)

    def profile(self, vault, config_root=True, **more):
        seen = self.owner("show", self.at(vault))
        p = {"tee": "sim-sgx", "measurements": {"mrenclave": [seen["mrenclave"]]}, "min_svn": 0,
             "tcb": ["UpToDate", "SWHardeningNeeded"], "platforms": "any"}
        if config_root:
            p["config_root"] = [seen["config_root"]]
        p.update(more)
        return p

    def save(self, name, value):
        with open(self.path(name), "w") as f:
            json.dump(value, f)
        return self.path(name)

    def anchor(self, out, *profiles, key="owner.pem", kind="instance", id=INSTANCE):
        files = [self.save(f"{out}.profile{i}", p) for i, p in enumerate(profiles)]
        return self.owner("anchor", self.path(key), kind, id, self.path(out), *files)

    def policy(self, measured=(), probe=None):
        args = [self.pleiad, "sim", "measure", "--as", "billing"]
        for f in measured:
            args += ["--measured", f]
        r = subprocess.run([*args, "--", probe or self.probe], capture_output=True, text=True, check=True)
        policy = json.load(open(os.path.join(env_path("SOURCE"), "examples", "disk.json")))
        policy["profiles"]["billing-v1"] = json.loads(r.stdout)
        return self.save("policy.json", policy)

    def start(self, n):
        subprocess.run([env_path("SIMD"), "--new-authority", self.path("A")], check=True)
        for key in "owner.pem", "other.pem", "operator.pem":
            self.owner("keygen", self.path(key))
        self.config = self.owner("config", self.path("operator.pem"), self.path("A", "root.pem"),
                                 self.path("config.json"))
        self.app_socket = self.machine("app")
        for i in range(n):
            sock = self.machine(f"machine{i}")
            self.vaults.append(self.vault(f"vault{i}", sock))
        self.anchor("anchor.json", self.profile(self.vaults[0]))
        made = self.owner("grant", self.path("owner.pem"), INSTANCE, self.policy(), self.path("grant.json"),
                          *(v["id"] for v in self.vaults))
        if made["exit"]:
            raise RuntimeError(f"no grant: {made}")

    def kill(self, vault, sig=signal.SIGKILL):
        os.killpg(vault["process"].pid, sig) # its own session: `sim run` and nothing else
        if sig == signal.SIGKILL:
            vault["process"].wait()

    def stop(self):
        for p in reversed(self.children):
            if p.poll() is None:
                p.kill()
            p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class Silent:
    """Accepts connections and says nothing."""

    def __init__(self):
        self.s = socket.socket()
        self.s.bind(("127.0.0.1", 0))
        self.s.listen(64)
        self.port = self.s.getsockname()[1]

    def close(self):
        self.s.close()


def main(tests):
    tap = Tap()
    world = World()
    try:
        for test in tests:
            test(world, tap)
    finally:
        world.stop()
    sys.exit(tap.end())
