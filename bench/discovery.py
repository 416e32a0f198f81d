#!/usr/bin/env python3
"""Measure service discovery of a `consul` binary and a peer in turn on this machine, and print ratios.

    bench/discovery.py --bin target/release/consul --peer /path/to/another/consul [--rounds 3] [--seconds 5] [--only TEXT]

Rounds and ratios as in run.py. Needs `wrk` and `dnsperf`. Traffic stays on loopback. The figure with 20,000 instances fills
the server first (20 services of 1,000 instances on 200 nodes) and waits until its memory has settled.
"""
import argparse, asyncio, http.client, json, re, statistics, subprocess, tempfile, time

from run import Server, compare

NODES, SERVICES, INSTANCES = 200, 20, 1000
SETTLE_SECONDS = 10
WATCHER_WRITES = 200
REGISTER_LUA = """
wrk.method = "PUT"
local n, thread = 0, 0
function setup(t) t:set("id", thread) thread = thread + 1 end
function request()
  n = n + 1
  local instance = string.format("%d-%d", id, n % 200)
  return wrk.format(nil, "%PATH%", nil, string.format('%BODY%', instance, instance, n % 60000 + 1))
end
"""
CATALOG_BODY = '{"Node":"n%s","Address":"10.0.0.1","Service":{"Service":"reg","ID":"r%s","Port":%d}}'
AGENT_BODY = '{"Name":"reg","ID":"r%s","Tags":["t%s"],"Port":%d}'


def request(connection, method, path, body=None):
    connection.request(method, path, json.dumps(body) if body is not None else None)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, (path, answer.status, text)
    return answer, text


def register(connection, node, service, instance, port, output=""):
    checks = [{"CheckID": "service:" + instance, "Name": "Service '%s' check" % service, "Status": "passing", "ServiceID": instance, "Output": output}]
    body = {"Node": node, "Address": "10.%d.%d.%d" % (port >> 16 & 255, port >> 8 & 255, port & 255 or 1), "NodeMeta": {"rack": "r1"},
            "Service": {"ID": instance, "Service": service, "Tags": ["v1", "primary"], "Port": port, "Address": "10.1.%d.%d" % (port >> 8 & 255, port & 255 or 1)},
            "Checks": checks}
    request(connection, "PUT", "/v1/catalog/register", body)


def fill(server, service, count):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for n in range(count):
        register(connection, "%s-node-%d" % (service, n), service, "%s-%d" % (service, n), 8000 + n, "HTTP GET http://10.0.0.1/: 200 OK Output: ok")
    connection.close()


def health(count):
    def measure(server, a):
        fill(server, "web%d" % count, count)
        return server.load(64, a.seconds, "/v1/health/service/web%d?passing" % count)
    return measure


def dns(kind):
    def measure(server, a):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as queries:
            queries.write("web20.service.consul %s\n" % kind)
            queries.flush()
            command = ["dnsperf", "-s", "127.0.0.1", "-p", str(server.dns_port), "-d", queries.name, "-l", str(a.seconds), "-c", "8", "-T", "1", "-q", "200"]
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        lost = re.search(r"Queries lost:\s+(\d+) \(([\d.]+)%\)", out)
        if lost and float(lost.group(2)) > 1:
            print(out)
        return float(re.search(r"Queries per second:\s+([\d.]+)", out).group(1))
    return measure


def registrations(path, body):
    def measure(server, a):
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
            lua.write(REGISTER_LUA.replace("%PATH%", path).replace("%BODY%", body))
            lua.flush()
            return server.load(32, a.seconds, script=lua.name)
    return measure


def memory(server, a):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for n in range(SERVICES * INSTANCES):
        register(connection, "big-node-%d" % (n % NODES), "big%d" % (n % SERVICES), "big-%d" % n, n)
    connection.close()
    time.sleep(SETTLE_SECONDS)
    return server.memory_mib()


def watcher_delay(server, a):
    """Median time from a registration's request to the whole answer of a parked watcher, ms."""
    return asyncio.run(delays(server))


async def read_answer(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    if headers.get("transfer-encoding") == "chunked":
        while True:
            size = int(await reader.readuntil(b"\r\n"), 16)
            await reader.readexactly(size + 2)
            if size == 0:
                return headers
    await reader.readexactly(int(headers.get("content-length", 0)))
    return headers


async def delays(server):
    watch, watch_out = await asyncio.open_connection("127.0.0.1", server.port)
    write, write_out = await asyncio.open_connection("127.0.0.1", server.port)
    body = '{"Node":"d","Address":"10.0.0.1","Service":{"Service":"delay","Port":%d}}'
    index, seen = 0, []

    def send(port):
        text = body % port
        write_out.write(("PUT /v1/catalog/register HTTP/1.1\r\nHost: b\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)).encode())
    send(1)
    await read_answer(write)
    for n in range(WATCHER_WRITES):
        watch_out.write(("GET /v1/health/service/delay?index=%d&wait=60s HTTP/1.1\r\nHost: b\r\n\r\n" % index).encode())
        if index == 0:
            index = int((await read_answer(watch))["x-consul-index"])
            continue
        await asyncio.sleep(0.005)  # parked by then
        begin = time.perf_counter()
        send(n + 2)
        index = int((await read_answer(watch))["x-consul-index"])
        seen.append((time.perf_counter() - begin) * 1000)
        await read_answer(write)
    watch_out.close(), write_out.close()
    return statistics.median(seen)


# Name, unit, whether more is better, measurement. In this order on each fresh server: DNS asks for what health filled.
FIGURES = [
    ("registration to parked watcher", "ms", False, watcher_delay),
    ("health, 20 instances, 64 connections", "/s", True, health(20)),
    ("dns A, 20 instances", "/s", True, dns("A")),
    ("dns SRV, 20 instances", "/s", True, dns("SRV")),
    ("health, 200 instances, 64 connections", "/s", True, health(200)),
    ("catalog register, 32 connections", "/s", True, registrations("/v1/catalog/register", CATALOG_BODY)),
    ("agent register, 32 connections", "/s", True, registrations("/v1/agent/service/register", AGENT_BODY)),
    ("memory, 20,000 instances", "MiB", False, memory),
]


if __name__ == "__main__":
    compare(__doc__, FIGURES, lambda binary: Server(binary))
