#!/usr/bin/env python3
"""Park many blocking queries on one server and print what they cost.

    bench/watchers.py --bin target/release/consul [--watchers 10000]

Every watcher has a connection of its own and waits on a key of its own. Printed: memory for each parked watcher, CPU while
all are parked and while unrelated keys are written, and how long after a write the one concerned has its answer.
"""
import argparse, asyncio, resource, statistics, time

from run import Server

IDLE_SECONDS = 5
WRITES = 200


async def read_answer(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return headers, body


class Watcher:
    def __init__(self, port, key):
        self.port, self.key, self.index = port, key, 0

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.ask("wait=0s")
        headers, _ = await read_answer(self.reader)
        self.index = int(headers["x-consul-index"])
        self.ask("index=%d&wait=10m" % self.index)

    def ask(self, query):
        self.writer.write(b"GET /v1/kv/%s?%s HTTP/1.1\r\nHost: bench\r\n\r\n" % (self.key.encode(), query.encode()))


async def measure(server, count):
    for n in range(0, count, 64):  # one write a key, so that each has an index of its own
        await asyncio.gather(*(asyncio.to_thread(server.put, "/v1/kv/w/%d" % k, b"x") for k in range(n, min(n + 64, count))))
    before = server.memory_mib()
    watchers = [Watcher(server.port, "w/%d" % n) for n in range(count)]
    for n in range(0, count, 500):
        await asyncio.gather(*(w.connect() for w in watchers[n:n + 500]))
    await asyncio.sleep(1)
    after = server.memory_mib()
    cpu = server.cpu_seconds()
    await asyncio.sleep(IDLE_SECONDS)
    idle = (server.cpu_seconds() - cpu) / IDLE_SECONDS
    delays = []
    for n in range(WRITES):
        watcher = watchers[n * (count // WRITES)]
        begin = time.perf_counter()
        write = asyncio.create_task(asyncio.to_thread(server.put, "/v1/kv/" + watcher.key, b"y"))
        await read_answer(watcher.reader)
        delays.append(time.perf_counter() - begin)
        await write
    for w in watchers:
        w.writer.close()
    print("%d watchers: %.2f KiB each (with its connection), %.2f %% of a core while parked" % (
        count, (after - before) * 1024 / count, idle * 100))
    print("write to the watcher's answer, durable write included: median %.2f ms, worst of %d %.2f ms" % (
        statistics.median(delays) * 1000, WRITES, max(delays) * 1000))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--bin", required=True)
    ap.add_argument("--watchers", type=int, default=10000)
    a = ap.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, a.watchers * 2 + 1000), hard))
    server = Server(a.bin, max_conns=a.watchers + 1000)
    try:
        asyncio.run(measure(server, a.watchers))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
