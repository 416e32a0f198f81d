"""Prometheus finds a service by consul_sd_configs and follows a change."""
import json, os, pathlib, tempfile

from programs import API, fetch, free_port, put, running, until

CONFIG = """
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: consul
    consul_sd_configs:
      - {server: "%s", services: [web], refresh_interval: 1s}
    relabel_configs:
      - {source_labels: [__meta_consul_service_id], target_label: id}
      - {source_labels: [__meta_consul_tags], target_label: tags}
      - {source_labels: [__meta_consul_service_metadata_version], target_label: version}
"""


def register(number, **more):
    put("agent/service/register", {"Name": "web", "ID": "web%d" % number, "Port": 9000 + number, "Address": "127.0.0.1", **more})


def main():
    work = pathlib.Path(tempfile.mkdtemp())
    (work / "prometheus.yml").write_text(CONFIG % API.split("/")[2])
    port = free_port()
    command = [os.environ["PROMETHEUS"], "--config.file=%s" % (work / "prometheus.yml"), "--storage.tsdb.path=%s" % (work / "data"),
               "--web.listen-address=127.0.0.1:%d" % port]
    register(1, Tags=["a", "b"], Meta={"version": "7"})
    with running(command, work / "log"):
        def targets():
            found = json.loads(fetch("http://127.0.0.1:%d/api/v1/targets" % port))["data"]["activeTargets"]
            return {t["labels"]["id"]: t for t in found}
        first = until("the first target", lambda: set(targets()) == {"web1"} and targets())["web1"]["labels"]
        assert (first["instance"], first["tags"], first["version"]) == ("127.0.0.1:9001", ",a,b,", "7"), first
        register(2)
        until("a second target", lambda: set(targets()) == {"web1", "web2"})
        put("agent/service/deregister/web1")
        until("the first one's end", lambda: set(targets()) == {"web2"})


main()
