"""What the benchmarks of several agents share: labs of one binary, ours and a peer's in turn, figures of a process, one table.

A lab is that of conformance/cluster.py: durable agents with loopback addresses of their own and the default ports. Data lies
under TMPDIR: point it at the disk to be measured.
"""
import argparse, os, pathlib, re, resource, statistics, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "conformance"))
from cluster import Lab, OPT, wait  # noqa: E402, F401  (that of conformance: its folder comes first)

OPT.keep = False


def arguments(doc, runs=3):
    """A parser with the options all of these benchmarks have."""
    ap = argparse.ArgumentParser(description=doc.splitlines()[0])
    ap.add_argument("--bin", required=True, help="the binary to measure")
    ap.add_argument("--peer", help="the binary to compare with")
    ap.add_argument("--runs", type=int, default=runs, help="how often each is measured, in turn (%(default)s)")
    return ap


def config(max_conns=1000):
    """Agents that log little and let the load in; the rest is as it comes."""
    return {"log_level": "warn", "limits": {"http_max_conns_per_client": max_conns}}


def allow_files(count):
    """Raises the limit of open files for this process and the agents it starts, as far as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        raise SystemExit("%d open files needed, the limit is %d" % (count, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def compare(a, figures, measure):
    """Calls measure(lab, binary) -> {figure: value} for ours and the peer in turn, and prints medians with ratios.

    figures: (name, unit, whether more is better), in the order of the table. Each run has a lab of its own. A ratio above 1 is
    in our favour. What each run saw goes to stderr.
    """
    binaries = {"ours": a.bin, **({"peer": a.peer} if a.peer else {})}
    seen = {who: {} for who in binaries}
    for _ in range(a.runs):
        for who, binary in binaries.items():
            with Lab() as lab:
                values = measure(lab, binary)
            for name, value in values.items():
                seen[who].setdefault(name, []).append(value)
            print("%s: %s" % (who, ", ".join("%s %.2f" % item for item in values.items())), file=sys.stderr)
    print("%-55s %12s %12s %8s  %s" % ("median of %d" % a.runs, "ours", "peer", "ratio", "unit"))
    for name, unit, more in figures:
        if name not in seen["ours"]:
            continue
        ours = statistics.median(seen["ours"][name])
        if not a.peer:
            print("%-55s %12.2f %12s %8s  %s" % (name, ours, "-", "-", unit))
            continue
        peer = statistics.median(seen["peer"][name])
        ratio = (ours / peer if more else peer / ours) if ours and peer else float("nan")
        print("%-55s %12.2f %12.2f %8.2f  %s" % (name, ours, peer, ratio, unit))


def memory_mib(agent, field="VmRSS"):
    """A field of /proc/PID/status: VmRSS (resident), VmHWM (its peak), RssAnon (without pages of files)."""
    return field_mib(agent, "status", field)


def pss_mib(agent):
    """Resident memory with pages shared by several processes counted in parts."""
    return field_mib(agent, "smaps_rollup", "Pss")


def field_mib(agent, file, field):
    text = pathlib.Path("/proc/%d/%s" % (agent.proc.pid, file)).read_text()
    return int(re.search(r"^%s:\s+(\d+) kB" % field, text, re.MULTILINE).group(1)) / 1024


def cpu_seconds(agent):
    """User and system time since its start."""
    fields = pathlib.Path("/proc/%d/stat" % agent.proc.pid).read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
