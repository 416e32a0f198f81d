"""A Spring Cloud Consul application registers, is found healthy, finds others, reads its configuration from keys and follows it."""
import json, os, pathlib, tempfile

from programs import API, fetch, free_port, put, running, until


def put_text(path, text):
    import urllib.request
    urllib.request.urlopen(urllib.request.Request(API + path, data=text.encode(), method="PUT"), timeout=10).read()


def main():
    work, port = pathlib.Path(tempfile.mkdtemp()), free_port()
    put_text("kv/config/shop/greeting", "hello")
    put("agent/service/register", {"Name": "stock", "Port": 4711, "Address": "127.0.0.1"})
    os.environ["CONSUL_HTTP_PORT"] = API.split("/")[2].split(":")[1]
    command = ["java", "-Xmx256m", "-jar", os.environ["SPRING_APPLICATION"], "--server.port=%d" % port]
    base = "http://127.0.0.1:%d/" % port
    with running(command, work / "log") as program:
        def healthy():
            found = json.loads(fetch(API + "health/service/shop?passing"))
            return found and found[0]["Service"]
        service = until("the application, passing", healthy, 90)
        assert (service["Port"], service["Tags"][0]) == (port, "java"), service
        assert fetch(base + "greeting") == "hello", "configuration from keys"
        assert json.loads(fetch(base + "instances/stock")) == ["127.0.0.1:4711"], "discovery"
        assert json.loads(fetch(base + "instances/shop")) == ["127.0.0.1:%d" % port], "discovery of itself"
        put_text("kv/config/shop/greeting", "goodbye")
        until("changed configuration", lambda: fetch(base + "greeting") == "goodbye")
        program.terminate()
        program.wait(30)
        until("its deregistration", lambda: json.loads(fetch(API + "catalog/service/shop")) == [])


main()
