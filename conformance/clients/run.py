#!/usr/bin/env python3
"""Run real clients, unmodified, against a `consul` binary.

    run.py --bin target/release/consul [--only TEXT] [--cache DIR]

Every flow gets a fresh `agent -dev` on free loopback ports. The clients (py-consul from PyPI, consul from npm) are
installed once below --cache; a client that cannot be installed fails its flow. Last line 'N passed, M failed'.
"""
import argparse, os, pathlib, subprocess, sys, tempfile, venv

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from conform import Agent  # noqa: E402  the same fresh agent the transcripts use

PY_CONSUL = "py-consul==1.6.0"
NPM_CONSUL = "consul@2.0.1"
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


def flows(cache):
    """Name and command of every flow."""
    yield "curl", lambda: ["bash", HERE / "curl.sh"], {}
    yield "py-consul", lambda: [python_with_client(cache), HERE / "py_consul.py"], {}
    yield "npm-consul", lambda: ["node", HERE / "npm_consul.cjs"], {"NODE_PATH": lambda: str(node_modules(cache))}


def run(name, command, env, binary):
    agent = Agent(binary, {"name": name})
    try:
        full = {**agent.env, **{k: make() for k, make in env.items()}, "CONSUL": os.path.abspath(binary)}
        done = subprocess.run([str(part) for part in command()], env=full, cwd=tempfile.gettempdir(),
                              timeout=FLOW_TIMEOUT_SECONDS, capture_output=True, text=True)
        return done.returncode == 0, done.stdout + done.stderr
    except (subprocess.SubprocessError, OSError) as e:
        return False, str(e)
    finally:
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
        print("%-12s %s" % (name, "ok" if ok else "FAILED"), flush=True)
        if not ok:
            print(output)
        passed, failed = passed + ok, failed + (not ok)
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
