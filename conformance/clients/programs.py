"""What flows that start other programs share: the agent's API, free ports, waiting for an event, programs that end with the flow."""
import contextlib, json, os, socket, subprocess, time, urllib.request

API = "http://%s/v1/" % os.environ.get("CONSUL_HTTP_ADDR", "")
DNS_PORT = int(os.environ.get("CONSUL_DNS_PORT", "0"))
DEADLINE_SECONDS = 40


def put(path, body=None):
    data = json.dumps(body).encode() if body is not None else b""
    with urllib.request.urlopen(urllib.request.Request(API + path, data=data, method="PUT"), timeout=10) as answer:
        return answer.read()


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, condition, seconds=DEADLINE_SECONDS):
    """The first true answer of `condition`; asks again until the deadline, whatever it raises."""
    deadline, last = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            last = condition()
            if last:
                return last
        except (OSError, ValueError, KeyError) as e:
            last = e
        time.sleep(0.1)
    raise SystemExit("%s: not seen in %d s, last: %s" % (what, seconds, last))


@contextlib.contextmanager
def running(command, log):
    """A program that ends with the block; its output goes to the file `log`, shown when the block fails."""
    with open(log, "wb") as out:
        program = subprocess.Popen([str(c) for c in command], stdout=out, stderr=subprocess.STDOUT)
    try:
        yield program
    except BaseException:
        print(open(log, errors="replace").read()[-4000:])
        raise
    finally:
        program.terminate()
        try:
            program.wait(10)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
