#!/usr/bin/env python3
"""Policies in words: what `pleiad policy render` says today is what was committed.

    snapshots.py PLEIAD SOURCE_ROOT [--update]

Every examples/*.json and tests/policy/snapshots/*.json has its words, or its refusal, in
tests/policy/snapshots/NAME.txt. A change of them is a change of what signers read: look at it."""
import pathlib, subprocess, sys

pleiad, root = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
home = root / "tests/policy/snapshots"
files = sorted([*(root / "examples").glob("*.json"), *home.glob("*.json")], key=lambda f: f.name)
failed = 0
for number, f in enumerate(files, 1):
    run = subprocess.run([pleiad, "policy", "render", f.relative_to(root)], cwd=root, text=True,
                         capture_output=True)
    words = run.stdout + run.stderr
    snapshot = home / (f.stem + ".txt")
    if "--update" in sys.argv:
        snapshot.write_text(words)
    good = run.returncode in (0, 1) and words and snapshot.exists() and snapshot.read_text() == words
    failed += not good
    print(f"{'ok' if good else 'not ok'} {number} - {f.stem}")
    if not good:
        print("# " + words.replace("\n", "\n# "))
print(f"1..{len(files)}")
sys.exit(1 if failed or len(files) < 8 else 0)
