"""Strangers ask for a vault's evidence, its hardware takes 1.5 s for a quote, and an attested app beside them:
callers who show no evidence have half of the queue, so the app's session has a place in it. TAP."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "client"))
import world as w
from siege import Link

class Slow(w.World):
    def machine(self, name, *options):
        return super().machine(name, *(["--quote-ms", "1500"] if name != "app" else []), *options)


class Crowd(threading.Thread):
    """250 strangers at one vault, all at once."""

    def __init__(self, port):
        super().__init__()
        self.port, self.full, self.answers = port, threading.Event(), []
        self.start()

    def run(self):
        links = [Link(self.port, None, f"127.77.{i}.1") for i in range(250)]
        asked = [(link, link.ask("POST", "/v1/session", {})) for link in links]
        for link, stream in reversed(asked): # those who asked last are refused at once
            self.answers.append(link.answer(stream)[0])
            if self.answers[-1] == 429:
                self.full.set()
        for link in links:
            link.close()


def besieged(x, t):
    t.ok(x.app("split", N="2", MIN="2", DEADLINE="30000")["exit"] == 0, "a split without anybody beside")
    crowds = [Crowd(v["port"]) for v in x.vaults]
    t.ok(all(c.full.wait(60) for c in crowds), "strangers fill their part of the queues")
    r = x.app("recover", DEADLINE="30000")
    for c in crowds:
        c.join()
    t.ok(r["exit"] == 0, "the app recovers from both vaults beside them", r)
    answers = [(c.answers.count(200), c.answers.count(429)) for c in crowds]
    t.ok(all(good + bad == 250 and good and bad for good, bad in answers),
         "each stranger is served or told to come again", answers)


def main():
    tap, world = w.Tap(), Slow(2)
    try:
        besieged(world, tap)
    finally:
        world.stop()
    return tap.end()


sys.exit(main())
