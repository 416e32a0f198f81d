#!/usr/bin/env python3
"""Snapshot archives between clusters of a `consul` binary, and between it and other binaries, on loopback.

    snapshots.py --bin PATH [--peer-bin PATH]... [--only TEXT[,TEXT]] [--list] [-v] [--slow N] [--limit MINUTES] [--keep]

What the group `snapshot` of cluster.py checks, and mix.snapshot, without what needs ACLs and config entries: the state
that goes through an archive here is KV, catalog, session and prepared query. --peer-bin, repeatable, names the other
implementations or versions with which archives are exchanged. Everything else is as cluster.py does it.
"""
import argparse, gzip, json, os, shutil, signal, sys, time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cluster
from cluster import OPT, acquire, differ, holder, need, version, wait

OPT.peers = []
cluster.CHECKS.clear()      # only the checks of this program are run
check = cluster.check


def fill(a, prefix="snap"):
    """State of kinds that 1.8 and 1.14 know, through one agent; small enough to compare whole."""
    for i in range(40):
        a.put("/v1/kv/%s/%02d?flags=%d" % (prefix, i, i), "value %d" % i)
    a.put("/v1/kv/%s/empty" % prefix, "")
    a.put("/v1/kv/%s/bytes" % prefix, bytes(range(256)))
    a.put("/v1/kv/%s/big" % prefix, "x" * 300000)
    a.ask("DELETE", "/v1/kv/%s/39" % prefix)
    a.put("/v1/catalog/register", {"Node": "ext-1", "Address": "10.1.2.3", "NodeMeta": {"kind": "external"},
                                   "Service": {"ID": "db1", "Service": "db", "Port": 5432, "Tags": ["primary"], "Meta": {"v": "1"}, "Weights": {"Passing": 3, "Warning": 2}},
                                   "Check": {"CheckID": "c1", "Name": "ext", "Status": "passing", "ServiceID": "db1"}})
    sid = a.put("/v1/session/create", {"Node": "ext-1", "Name": "held", "Checks": [], "NodeChecks": [], "LockDelay": "0s"})["ID"]
    need(acquire(a, prefix + "/locked", sid), "acquire")
    a.ask("POST", "/v1/query", {"Name": "db-query", "Service": {"Service": "db", "OnlyPassing": True}})


def state(a, prefix="snap"):
    """What fill() made, as the cluster of this agent tells it."""
    return {"kv": a.get("/v1/kv/%s/?recurse&consistent" % prefix), "db": a.get("/v1/health/service/db"), "node": a.get("/v1/catalog/node/ext-1"),
            "session": a.get("/v1/session/node/ext-1"), "queries": a.get("/v1/query"), "answer": a.get("/v1/query/db-query/execute")["Nodes"]}


def same(before, a, skip=()):
    """Waits until the state at an agent is the one before."""
    def look():
        differs = differ(before, state(a), skip)
        return need(not differs, "differs:", differs) or True
    wait(look, "state equal on %s" % a.name)


def inspected(a, path):
    """`snapshot inspect` of a file: its index, and how many of each kind."""
    out = a.cli("snapshot", "inspect", path)
    head = {l.split()[0]: l.split()[1] for l in out.splitlines() if len(l.split()) == 2}
    rows = {l.split()[0]: int(l.split()[1]) for l in out.splitlines() if len(l.split()) == 3 and l.split()[1].isdigit()}
    need(head.get("ID") and head.get("Version") == "1" and int(head["Index"]) > 0, out)
    need(rows.get("KVS", 0) >= 43 and rows.get("Session") == 1 and rows.get("PreparedQuery") == 1 and rows.get("Register", 0) >= 3, out)
    return int(head["Index"]), rows


def followers(lab, servers):
    lead = lab.leader(servers)
    return [s for s in servers if s is not lead]


def crash_and_restart(lab, servers):
    """kill -9 of all servers at once, and their start on the same data."""
    for s in servers:
        s.send(signal.SIGKILL)
    for s in servers:
        s.kill()
    for s in servers:
        s.start(ready=False)
    lab.ready(servers)


@check()
def snapshot_start(lab):
    """Two clusters of three servers and a client; the first is filled with KV, catalog, session and query."""
    lab.one, lab.two = lab.servers(3, "one"), lab.servers(3, "two")
    lab.client_one, lab.client_two = lab.client("one-client", lab.one), lab.client("two-client", lab.two)
    fill(lab.one[0])
    lab.before = state(lab.one[0])
    lab.file = os.path.join(lab.work, "backup.snap")


@check()
def snapshot_save(lab):
    """`snapshot save` through a follower, and through a client agent: `snapshot inspect` finds the same in both; the archive is what the reference's is made of."""
    files = {"follower": lab.file, "client": os.path.join(lab.work, "client.snap")}
    found = {}
    for how, a in (("follower", followers(lab, lab.one)[0]), ("client", lab.client_one)):
        out = a.cli("snapshot", "save", files[how])
        need(out.startswith("Saved and verified snapshot to index "), out)
        index, found[how] = inspected(a, files[how])
        need(index == int(out.split()[-1]), "inspected index", index, "saved", out)
    need(found["follower"] == found["client"], found)
    lab.note("%d bytes" % os.path.getsize(lab.file))
    with gzip.open(lab.file) as f:
        data = f.read()
    for name in (b"meta.json", b"state.bin", b"SHA256SUMS"):
        need(name in data, "no", name, "in the archive")


@check()
def snapshot_stale(lab):
    """`?stale` through followers and the client agent: an archive as well, though nobody leads."""
    for a in followers(lab, lab.one) + [lab.client_one]:
        r = a.http("GET", "/v1/snapshot?stale")
        need(r.status == 200 and r.body[:2] == b"\x1f\x8b" and r.index > 0, "stale snapshot through", a.name, r.status, r.headers)
    path = os.path.join(lab.work, "stale.snap")
    out = lab.client_one.cli("snapshot", "save", "-stale", path)
    need(out.startswith("Saved and verified "), out)
    inspected(lab.client_one, path)


@check(needs=["save"])
def snapshot_refused(lab):
    """Archives cut short, with a bit turned, or of garbage are refused through every kind of agent; nothing is changed by them."""
    with open(lab.file, "rb") as f:
        data = f.read()
    torn = gzip.decompress(data)
    at = torn.index(b"value 7") if b"value 7" in torn else len(torn) // 2
    bad = {"half": data[:len(data) // 2], "without its end": data[:-20], "a bit turned": gzip.compress(torn[:at] + bytes([torn[at] ^ 1]) + torn[at + 1:]), "garbage": b"no archive", "nothing": b""}
    lab.two[0].put("/v1/kv/only-here", "x")
    for what, body in bad.items():
        for a in (lab.leader(lab.two), followers(lab, lab.two)[0], lab.client_two):
            r = a.http("PUT", "/v1/snapshot", body, timeout=40)
            need(r.status == 500, what, "accepted by", a.name, r.status, r.text)
    path = os.path.join(lab.work, "half.snap")
    with open(path, "wb") as f:
        f.write(bad["half"])
    for command in ("restore", "inspect"):
        code, out, err = lab.client_two.run("snapshot", command, path)
        need(code == 1 and err, command, code, out, err)
    need(lab.two[0].get("/v1/kv/only-here?raw") == "x" and lab.two[0].http("GET", "/v1/kv/snap/01").status == 404, "a refused archive changed the state")


def restored(lab, through):
    """Restores lab.file into the second cluster through an agent, and checks all of it."""
    through.put("/v1/kv/only-here", "x")
    t = time.time()
    out = through.cli("snapshot", "restore", lab.file)
    need(out == "Restored snapshot\n", out)
    lab.note("took", time.time() - t)
    t = time.time()
    for s in lab.two + [lab.client_two]:
        same(lab.before, s)
        need(s.http("GET", "/v1/kv/only-here").status == 404, "what was there before the restore must be gone")
    # each server's own store, not the leader's
    for s in lab.two:
        wait(lambda: s.get("/v1/kv/snap/?recurse&stale") == lab.before["kv"], "own store of %s" % s.name)
    need(holder(through, "snap/locked") == lab.before["session"][0]["ID"], "lock still held")
    lab.ready(lab.two, 120)
    lab.in_catalog(lab.client_two, lab.two[0], 120)
    wait(lambda: not [n for n in through.get("/v1/catalog/nodes") if n["Node"].startswith("one-")], "nodes of the old cluster's agents reaped from the catalog", 120)
    lab.note("own nodes back, old cluster's reaped after", time.time() - t)


@check(needs=["refused"])
def snapshot_restore(lab):
    """`snapshot restore` through a follower of another cluster: all of the state is equal on every server and client, its own nodes come back, the old cluster's are reaped."""
    restored(lab, followers(lab, lab.two)[0])


@check(needs=["restore"])
def snapshot_durable(lab):
    """The restored state survives kill -9 of all servers, and the cluster still takes writes; so does one that a server missed."""
    crash_and_restart(lab, lab.two)
    for s in lab.two:
        same(lab.before, s)
    need(lab.two[2].put("/v1/kv/after", "1") is True and lab.two[0].get("/v1/kv/after?raw&consistent") == 1, "write")


@check(needs=["durable"])
def snapshot_again(lab):
    """The same through a client agent, while a server is down: it has the restored state when it comes back."""
    down = followers(lab, lab.two)[0]
    down.kill()
    up = [s for s in lab.two if s is not down]
    # a client agent, as the reference's, tries one server a request, which may be the one that is down
    out = wait(lambda: lab.client_two.cli("snapshot", "restore", lab.file), "restore through the client agent")
    need(out == "Restored snapshot\n", out)
    for s in up:
        same(lab.before, s)
    down.start()
    lab.ready(lab.two, 120)
    wait(lambda: down.get("/v1/kv/snap/?recurse&stale") == lab.before["kv"], "the state in the store of the server that was down")
    restored(lab, lab.client_two)
    crash_and_restart(lab, lab.two)
    same(lab.before, lab.two[0])


# what newer releases add to the answers, so that it differs between releases
NEWER = ["queries", "db", "node", "answer"]


def exchange(lab, peer):
    """Archives of a peer's cluster into ours and of ours into theirs."""
    theirs_version, ours_version = version(peer), version(OPT.bin)
    label = ".".join(map(str, theirs_version))
    # a client of ours beside servers older than 1.10 is told that they have no streaming; a server alone need not be
    theirs, ours = lab.servers(1, "theirs-" + label, binary=peer)[0], lab.servers(3, "ours-" + label)
    differs = [] if theirs_version[:2] == ours_version[:2] else NEWER
    fill(theirs)
    before = state(theirs)
    path = os.path.join(lab.work, "theirs-%s.snap" % label)
    theirs.cli("snapshot", "save", path)
    inspected(ours[0], path)
    ours[0].cli("snapshot", "restore", path)
    for s in ours:
        same(before, s, differs)
        after = state(s)
        need(after["queries"][0]["Name"] == "db-query" and after["db"][0]["Service"]["Port"] == 5432 and after["db"][0]["Service"]["Weights"] == {"Passing": 3, "Warning": 2}, after)
        need(after["node"]["Node"]["ID"] == before["node"]["Node"]["ID"] and after["node"]["Node"]["Meta"] == {"kind": "external"}, after["node"])
        need([n["Service"]["ID"] for n in after["answer"]] == ["db1"], after["answer"])
    lab.ready(ours, 120)
    crash_and_restart(lab, ours)
    same(before, ours[1], differs)

    ours[1].put("/v1/kv/snap/more", "of ours")
    before = state(ours[2])
    path = os.path.join(lab.work, "ours-%s.snap" % label)
    ours[2].cli("snapshot", "save", path)
    code, out, err = theirs.run("snapshot", "inspect", path)
    need(code == 0, label, "cannot inspect our archive", out, err)
    code, out, err = theirs.run("snapshot", "restore", path)
    if theirs_version[:2] != ours_version[:2]:
        lab.note("%s restoring ours: exit %d %s" % (label, code, " ".join((out + err).split())[:200]))
    if theirs_version[:2] == ours_version[:2] or code == 0:
        need(code == 0, "restore by", label, err)
        same(before, theirs, differs)
        lab.ready([theirs], 120)
        need(theirs.put("/v1/kv/after", "1") is True, "write")
        theirs.kill()
        theirs.start()
        lab.ready([theirs], 120)
        same(before, theirs, differs)
    lab.note("%s: %d and %d keys" % (label, len(before["kv"]) - 1, len(before["kv"])))


@check()
def peer_start(lab):
    """There is somebody to exchange archives with."""
    if not OPT.peers:
        raise cluster.Skip("no --peer-bin")


@check()
def peer_exchange(lab):
    """Each peer's archive is inspected and restored by ours, and ours by it (by one of another minor release only if it accepts it): the state is equal, on disk too."""
    for peer in OPT.peers:
        exchange(lab, peer)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--bin", default="consul")
    ap.add_argument("--peer-bin", action="append", default=[], dest="peers", help="another binary to exchange archives with; repeatable")
    ap.add_argument("--only", default="")
    ap.add_argument("--list", action="store_true")
    ap.add_argument("--slow", type=float, default=1.0, help="factor on every deadline")
    ap.add_argument("--limit", type=float, default=20, help="minutes for the whole run")
    ap.add_argument("--keep", action="store_true", help="keep the directories of groups that passed too")
    ap.add_argument("-v", action="store_true", help="whole logs after a failure")
    ap.parse_args(namespace=OPT)
    names = cluster.select(OPT.only)
    if OPT.list:
        for n in names:
            print("%-22s %s" % (n, " ".join(cluster.CHECKS[n].about.split())))
        return
    for b in [OPT.bin] + OPT.peers:
        shutil.which(b) or sys.exit("no such binary: " + b)
    OPT.bin = OPT.client_bin = os.path.abspath(shutil.which(OPT.bin))
    OPT.peers = [os.path.abspath(p) for p in OPT.peers]

    def stop(sig, _):
        raise KeyboardInterrupt("time limit" if sig == signal.SIGALRM else signal.Signals(sig).name)
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(sig, stop)
    signal.alarm(int(OPT.limit * 60))
    rows, note = [], ""
    try:
        for group in dict.fromkeys(cluster.CHECKS[n].group for n in names):
            cluster.run_group([n for n in names if cluster.CHECKS[n].group == group], rows)
    except KeyboardInterrupt as e:
        note = "stopped: %s\n" % (e or "interrupted")
    finally:
        cluster.cleanup()
    good, bad = (sum(r["result"] == k for r in rows) for k in ("ok", "FAILED"))
    print("%s%d passed, %d failed" % (note, good, bad))
    sys.exit(1 if bad or note or not good else 0)


if __name__ == "__main__":
    main()
