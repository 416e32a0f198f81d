"""consul-template renders services, a key and a prepared query's like, and renders again on a change."""
import os, pathlib, subprocess, tempfile

from programs import API, put, running, until

TEMPLATE = """{{ range service "web" }}{{ .ID }}={{ .Address }}:{{ .Port }}
{{ end }}color={{ key "color" }}
{{ range services }}{{ .Name }}{{ .Tags }} {{ end }}
"""


def main():
    work = pathlib.Path(tempfile.mkdtemp())
    (work / "in.ctmpl").write_text(TEMPLATE)
    put("agent/service/register", {"Name": "web", "ID": "w1", "Port": 80, "Address": "10.0.0.1", "Tags": ["t"]})
    put("kv/color", "blue")
    command = [os.environ["CONSUL_TEMPLATE"], "-consul-addr", API.split("/")[2], "-template", "%s:%s" % (work / "in.ctmpl", work / "out")]

    def rendered(*wanted):
        return lambda: all(w in (work / "out").read_text() for w in wanted)
    with running(command, work / "log"):
        until("the first rendering", rendered("w1=10.0.0.1:80\n", 'color="blue"', "consul[] ", "web[t]"))
        put("agent/service/register", {"Name": "web", "ID": "w2", "Port": 81, "Address": "10.0.0.2"})
        until("a second instance", rendered("w1=10.0.0.1:80\n", "w2=10.0.0.2:81\n"))
        put("kv/color", "red")
        until("another key", rendered('color="red"'))
        put("agent/service/maintenance/w1?enable=true")
        until("maintenance", lambda: "w1=" not in (work / "out").read_text())


main()
