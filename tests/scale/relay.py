"""Stands before a vault: holds each byte back for half of a round trip, and counts the turns of each connection.

    relay.py HOST PORT BACK_PORT DELAY_FILE LOG

DELAY_FILE: milliseconds of a round trip, read at each connection. The kernel answers a connection's first packet
before this process sees it, so the first bytes wait for that round trip as well. A line of LOG is one answer:
connection, round trips so far, bytes of the answer's largest burst. A turn is what was asked by somebody who had the
answer before: what arrives here before that answer is there was not waiting for it. What is shorter than SHORT is an
acknowledgement of HTTP/2 or a goodbye: nobody waits for it, and it is no turn."""
import asyncio
import sys

SHORT, TURN_START = 48, 1


class Connection:
    def __init__(self, number, log):
        self.number, self.log = number, log
        self.trips, self.burst = TURN_START, 0
        self.has = {True: TURN_START, False: TURN_START}  # the turn of what has come to the vault (True), to the app

    def seen(self, asks, n):
        """The turn that these bytes belong to, None where nobody waits for them."""
        if n < SHORT:
            return None
        if asks:
            return self.has[False] + 1
        if self.has[True] > self.trips:
            self.trips, self.burst = self.has[True], 0
        self.burst += n
        self.log.write(f"{self.number} {self.trips} {self.burst}\n")
        self.log.flush()
        return self.trips

    def came(self, asks, turn):
        self.has[asks] = max(self.has[asks], turn or 0)


async def late(queue, writer, connection, asks):
    """What was read, when it is due."""
    while True:
        due, turn, data = await queue.get()
        await asyncio.sleep(max(0, due - asyncio.get_running_loop().time()))
        if not data:
            break
        connection.came(asks, turn)
        writer.write(data)
    try:
        writer.write_eof()
    except OSError:
        pass


async def carry(reader, writer, connection, asks, delay_s, first_s):
    loop, queue = asyncio.get_running_loop(), asyncio.Queue()
    task = loop.create_task(late(queue, writer, connection, asks))
    start = loop.time()
    while True:
        try:
            data = await reader.read(65536)
        except OSError:
            data = b""
        turn = connection.seen(asks, len(data))
        queue.put_nowait((max(loop.time(), start + first_s) + delay_s, turn, data))
        if not data:
            break
    await task


async def main(host, port, back, delay, log):
    number = 0
    log = open(log, "a")

    async def accept(reader, writer):
        nonlocal number
        number += 1
        trip_s = float(open(delay).read()) / 1000
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", int(back))
        connection = Connection(number, log)
        await asyncio.gather(carry(reader, back_writer, connection, True, trip_s / 2, trip_s),
                             carry(back_reader, writer, connection, False, trip_s / 2, 0))
        for w in writer, back_writer:
            w.close()

    server = await asyncio.start_server(accept, host, int(port))
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
