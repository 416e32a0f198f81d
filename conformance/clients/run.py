#!/usr/bin/env python3
"""Run real clients, unmodified, against a `consul` binary.

    run.py --bin target/release/consul [--only TEXT] [--cache DIR]

Every flow gets a fresh `agent -dev` on free loopback ports. Clients from PyPI, npm, the Go module proxy and Maven are
installed once below --cache; programs of Debian (dig, dnsmasq, HAProxy, Maven) are installed when missing.
A client that cannot be installed fails its flow. Last line 'N passed, M failed'.
"""
import argparse, os, pathlib, shutil, subprocess, sys, tempfile, venv

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from conform import Agent  # noqa: E402  the same fresh agent the transcripts use

PY_CONSUL = "py-consul==1.6.0"
NPM_CONSUL = "consul@2.0.1"
CONSUL_TEMPLATE = "github.com/hashicorp/consul-template@v0.39.1"
FLOW_TIMEOUT_SECONDS = 120


def python_with_client(cache):
    """A Python of its own that has py-consul."""
    home = cache / "py-consul"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PY_CONSUL], check=True)
        (home / "ready").touch()
    return python


def node_modules(cache):
    """A folder whose node_modules has the npm client."""
    home = cache / "npm-consul"
    if not (home / "ready").exists():
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", home, NPM_CONSUL], check=True)
        (home / "ready").touch()
    return home / "node_modules"


def debian(package, program):
    """Installs a Debian package unless its program is there."""
    if shutil.which(program) or (pathlib.Path("/usr/sbin") / program).exists():
        return
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "update"], **quiet)
    subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", package], **quiet)


def with_programs(command, **packages):
    """The command, after the programs it starts are installed."""
    for program, package in packages.items():
        debian(package, program)
    return command


def consul_template(cache):
    """The consul-template program."""
    home = cache / "consul-template"
    if not (home / "ready").exists():
        subprocess.run(["go", "install", CONSUL_TEMPLATE], check=True, env={**os.environ, "GOBIN": str(home)}, capture_output=True)
        (home / "ready").touch()
    return home / "consul-template"


def prometheus(cache):
    """Prometheus with its discovery by Consul, which Debian's package is built without."""
    home = cache / "prometheus"
    if not (home / "ready").exists():
        shutil.copytree(HERE / "prometheus-build", home, dirs_exist_ok=True)
        build = ["go", "build", "-tags", "remove_all_sd,enable_consul_sd", "-o", "prometheus", "github.com/prometheus/prometheus/cmd/prometheus"]
        subprocess.run(build, cwd=home, check=True, capture_output=True)
        (home / "ready").touch()
    return home / "prometheus"


def spring_application(cache):
    """The Spring Cloud application as one archive; built again when its sources change."""
    debian("maven", "mvn")
    home, sources = cache / "spring", HERE / "spring"
    newest = max(f.stat().st_mtime for f in sources.rglob("*") if f.is_file())
    ready = home / "ready"
    if not ready.exists() or ready.stat().st_mtime < newest:
        shutil.copytree(sources, home, dirs_exist_ok=True)
        subprocess.run(["mvn", "-q", "-B", "package"], cwd=home, check=True, stdout=subprocess.DEVNULL)
        ready.touch()
    return home / "target" / "spring-1.jar"


def flows(cache):
    """Name, command and environment of every flow."""
    python = sys.executable
    yield "curl", lambda: ["bash", HERE / "curl.sh"], {}
    yield "py-consul", lambda: [python_with_client(cache), HERE / "py_consul.py"], {}
    yield "npm-consul", lambda: ["node", HERE / "npm_consul.cjs"], {"NODE_PATH": lambda: str(node_modules(cache))}
    yield "dig", lambda: with_programs(["bash", HERE / "dig.sh"], dig="bind9-dnsutils"), {}
    yield "dnsmasq", lambda: with_programs(["bash", HERE / "dnsmasq.sh"], dig="bind9-dnsutils", dnsmasq="dnsmasq-base"), {}
    yield "haproxy", lambda: with_programs([python, HERE / "haproxy.py"], haproxy="haproxy"), {}
    yield "prometheus", lambda: [python, HERE / "prometheus.py"], {"PROMETHEUS": lambda: str(prometheus(cache))}
    yield "consul-template", lambda: [python, HERE / "consul_template.py"], {"CONSUL_TEMPLATE": lambda: str(consul_template(cache))}
    yield "spring", lambda: [python, HERE / "spring.py"], {"SPRING_APPLICATION": lambda: str(spring_application(cache))}


def run(name, command, env, binary):
    agent = None
    try:
        made = {k: make() for k, make in env.items()}
        parts = [str(part) for part in command()]
        agent = Agent(binary, {"name": name})
        full = {**agent.env, **made, "CONSUL": os.path.abspath(binary), "CONSUL_DNS_PORT": str(agent.ports["dns"])}
        full["PATH"] = full.get("PATH", "") + ":/usr/sbin"
        done = subprocess.run(parts, env=full, cwd=tempfile.gettempdir(),
                              timeout=FLOW_TIMEOUT_SECONDS, capture_output=True, text=True)
        return done.returncode == 0, done.stdout + done.stderr
    except (subprocess.SubprocessError, OSError, RuntimeError) as e:
        return False, str(e)
    finally:
        if agent:
            agent.close()


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--bin", required=True)
    ap.add_argument("--only", default="")
    ap.add_argument("--cache", type=pathlib.Path, default=pathlib.Path.home() / ".cache" / "proconsul" / "clients")
    a = ap.parse_args()
    passed = failed = 0
    for name, command, env in flows(a.cache):
        if a.only not in name:
            continue
        ok, output = run(name, command, env, a.bin)
        print("%-16s %s" % (name, "ok" if ok else "FAILED"), flush=True)
        if not ok:
            print(output)
        passed, failed = passed + ok, failed + (not ok)
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
