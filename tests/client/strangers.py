"""What a stranger sees of a vault that has a key, and of a key that it does not have. TAP."""
import json
import subprocess
import world as w

OPS = 5


def ask(x, vault, handle, missing, n, mode):
    args = [w.env_path("STRANGERS"), str(vault["port"]), handle, missing, str(n), mode]
    r = subprocess.run(args, capture_output=True, text=True, timeout=3600)
    if r.returncode:
        raise RuntimeError(r.stderr)
    return r.stdout.splitlines()


def handle_of(x, descriptor, vault):
    places = json.load(open(x.path(descriptor)))["descriptor"]["vaults"]
    return next(v["handle"] for v in places if v["vault_id"] == vault["id"])


def same(x, t):
    r = x.app("split", N="2")
    t.ok(r["exit"] == 0, "there is a key", r)
    vault = x.vaults[0]
    handle = handle_of(x, "disk.pleiad", vault)
    lines = ask(x, vault, handle, "A" * 22, 2 * OPS, "bytes")
    told = [{line[2:] for line in lines if line[0] == label} for label in "01"]
    t.ok(len(lines) == 2 * OPS and told[0] == told[1] and len(told[0]) == 1, "every operation is refused with the same bytes", lines)
    n = 40
    lines = ask(x, vault, handle, "A" * 22, n, "behind")
    t.ok(lines[-1] == f"first {n}", "what is decided at once is told on the tick: what was sent behind it is answered before", lines[-1])


if __name__ == "__main__":
    tap = w.Tap()
    world = w.World(2)
    try:
        same(world, tap)
    finally:
        world.stop()
    raise SystemExit(tap.end())
