"""Chromium without a window, driven over its debugging pipe: no port, no library."""
import json
import os
import select
import shutil
import signal
import subprocess
import time


class Chromium:
    """One browser with a profile of its own in `home`. Messages are JSON, each ended by a zero byte."""

    def __init__(self, home, deadline_s=90):
        self.deadline = time.monotonic() + deadline_s
        self.count, self.buffer = 0, b""
        theirs, self.to = os.pipe()
        self.back, write = os.pipe()
        program = shutil.which("chromium") or "/usr/bin/chromium"
        arguments = [program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     f"--user-data-dir={home}", "about:blank"]

        def descriptors():  # it reads from 3 and writes to 4
            os.dup2(theirs, 203), os.dup2(write, 204)
            os.dup2(203, 3), os.dup2(204, 4)

        self.process = subprocess.Popen(arguments, preexec_fn=descriptors, close_fds=False, start_new_session=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs), os.close(write)

    def receive(self):
        while b"\0" not in self.buffer:
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([self.back], [], [], left)[0]:
                raise TimeoutError("chromium does not answer")
            piece = os.read(self.back, 1 << 16)
            if not piece:
                raise EOFError("chromium ended")
            self.buffer += piece
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method, session=None, **params):
        self.count += 1
        request = {"id": self.count, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self.to, json.dumps(request).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def page(self, url):
        """A session with a page that has been loaded."""
        target = self.call("Target.createTarget", url=url)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.loaded(session, url)
        return session

    def go(self, session, url):
        self.call("Page.navigate", session, url=url)
        self.loaded(session, url)

    def loaded(self, session, url):
        while self.run(session, "document.readyState + ' ' + location.href") != f"complete {url}":
            if time.monotonic() > self.deadline:
                raise TimeoutError(url)

    def run(self, session, script):
        """The value of a script, or of what it promises."""
        done = self.call("Runtime.evaluate", session, expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in done:
            raise RuntimeError(done["exceptionDetails"].get("exception", {}).get("description", done["exceptionDetails"]["text"]))
        return done["result"].get("value")

    def close(self):
        os.close(self.to), os.close(self.back)
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
