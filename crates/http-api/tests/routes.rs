//! Families of routes against a real agent (`docs/spec/http-api.md` §4 to §10).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{Response, Running};
use http_api::Settings;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn ready() -> Running {
    Running::ready(Settings::default()).await
}

/// Status and text, for tables.
fn seen(response: &Response) -> (u16, String) {
    (response.status, response.text())
}

#[tokio::test]
async fn a_key_is_written_read_and_deleted() {
    let running = ready().await;
    assert_eq!(seen(&running.put("/v1/kv/a?flags=42", "test").await), (200, "true".to_owned()));
    let got = running.get("/v1/kv/a").await;
    let index = got.index();
    assert_eq!(
        got.json(),
        json!([{"LockIndex": 0, "Key": "a", "Flags": 42, "Value": "dGVzdA==", "CreateIndex": index, "ModifyIndex": index}])
    );
    assert_eq!(got.header("x-consul-knownleader"), Some("true"));
    assert_eq!(got.header("x-consul-effective-consistency"), None);
    let raw = running.get("/v1/kv/a?raw").await;
    assert_eq!((raw.text().as_str(), raw.header("content-type")), ("test", Some("text/plain")));
    assert_eq!(raw.header("content-security-policy"), Some("sandbox"));
    assert_eq!(seen(&running.delete("/v1/kv/a").await), (200, "true".to_owned()));
    let gone = running.get("/v1/kv/a").await;
    assert!(gone.status == 404 && gone.body.is_empty() && gone.header("x-consul-index").is_some());
    running.stop().await;
}

#[tokio::test]
async fn keys_and_trees_are_listed() {
    let running = ready().await;
    assert_eq!(seen(&running.get("/v1/kv/?keys").await), (200, "[]".to_owned()));
    assert_eq!(running.get("/v1/kv/?recurse").await.status, 404);
    for key in ["a", "b/x", "b/y"] {
        running.put(&format!("/v1/kv/{key}"), key).await;
    }
    let cases = [
        ("/v1/kv/?keys", json!(["a", "b/x", "b/y"])),
        ("/v1/kv/?keys&separator=/", json!(["a", "b/"])),
        ("/v1/kv/?keys&seperator=/", json!(["a", "b/"])),
        ("/v1/kv/?keys&separator=", json!(["a", "b/x", "b/y"])),
        ("/v1/kv/b/?keys=0&recurse", json!(["b/x", "b/y"])),
    ];
    for (path, expected) in cases {
        assert_eq!(running.get(path).await.json(), expected, "{path}");
    }
    assert_eq!(running.get("/v1/kv/x?keys").await.status, 404);
    assert_eq!(running.get("/v1/kv/b/?recurse=false").await.json().as_array().unwrap().len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn writes_of_keys_are_vetted_in_order() {
    let settings = Settings { kv_max_value_size: 32, ..Settings::default() };
    let running = Running::ready(settings).await;
    let long = "v".repeat(33);
    let too_long = "Request body(33 bytes) too large, max size: 32 bytes. See https://www.consul.io/docs/agent/config/config-files#kv_max_value_size.";
    let cases = [
        ("/v1/kv/", "v", 400, "Missing key name"),
        ("/v1/kv/?ns=x", "v", 400, "Invalid query parameter: \"ns\" - Namespaces are a Consul Enterprise feature"),
        (
            "/v1/kv/a?ns=x&cas=y",
            "v",
            400,
            "Invalid query parameter: \"ns\" - Namespaces are a Consul Enterprise feature",
        ),
        ("/v1/kv/a?flags=1&acquire=x&cas=0&b=%20+", "v", 400, "Conflicting flags: acquire=x&b=++&cas=0&flags=1"),
        ("/v1/kv/a?flags=0x1f", "v", 500, "strconv.ParseUint: parsing \"0x1f\": invalid syntax"),
        ("/v1/kv/a?flags=", "v", 500, "strconv.ParseUint: parsing \"\": invalid syntax"),
        ("/v1/kv/a?cas=x", "v", 500, "strconv.ParseUint: parsing \"x\": invalid syntax"),
        ("/v1/kv/a?index=abc", "v", 400, "Invalid index"),
        ("/v1/kv/a?dc=zz", &long, 413, too_long),
        ("/v1/kv/a?dc=zz", "v", 500, "No path to datacenter"),
        ("/v1/kv/a?acquire=", "v", 500, "raft apply failed: missing session"),
    ];
    for (path, body, status, text) in cases {
        assert_eq!(seen(&running.put(path, body).await), (status, text.to_owned()), "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn conditional_writes_tell_whether_they_held() {
    let running = ready().await;
    assert_eq!(running.put("/v1/kv/a?cas=0", "1").await.text(), "true");
    assert_eq!(running.put("/v1/kv/a?cas=0", "2").await.text(), "false");
    let index = running.get("/v1/kv/a").await.index();
    assert_eq!(running.delete(&format!("/v1/kv/a?cas={}", index + 1)).await.text(), "false");
    assert_eq!(running.delete(&format!("/v1/kv/a?cas={index}")).await.text(), "true");
    assert_eq!(running.delete("/v1/kv/none?cas=7").await.text(), "true");
    assert_eq!(
        seen(&running.delete("/v1/kv/a?cas=1&recurse").await),
        (400, "Conflicting flags: cas=1&recurse=".to_owned())
    );
    running.stop().await;
}

#[tokio::test]
async fn bodies_in_chunks_are_values_too() {
    let running = ready().await;
    let chunked = "4\r\nab\r\n\r\n3\r\ncde\r\n0\r\n\r\n";
    let request =
        format!("PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}");
    assert_eq!(common::parse(&running.raw(&request).await).text(), "true");
    assert_eq!(running.get("/v1/kv/a?raw").await.text(), "ab\r\ncde");
    running.stop().await;
}

#[tokio::test]
async fn keys_are_any_bytes() {
    let running = ready().await;
    for (path, shown) in [("/v1/kv/a+b%20c", "a+b c"), ("/v1/kv/%C3", "\u{fffd}"), ("/v1/kv/a%2541", "a%41")] {
        running.put(path, "v").await;
        assert_eq!(running.get(path).await.json()[0]["Key"], json!(shown), "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn json_is_indented_on_demand() {
    let running = ready().await;
    running.put("/v1/kv/a", "").await;
    let pretty = running.get("/v1/kv/a?pretty=false").await.text();
    assert!(pretty.starts_with("[\n    {\n        \"LockIndex\": 0,\n") && pretty.ends_with("]\n"), "{pretty}");
    assert!(pretty.contains("\"Value\": null"), "{pretty}");
    assert_eq!(running.put("/v1/kv/a?pretty", "").await.text(), "true\n");
    running.stop().await;
}

#[tokio::test]
async fn transactions_answer_with_results_or_errors() {
    let running = ready().await;
    let written = running
        .put("/v1/txn", r#"[{"KV":{"Verb":"set","Key":"k","Value":"YQ=="}},{"KV":{"Verb":"get","Key":"k"}}]"#)
        .await;
    assert_eq!(written.status, 200, "{}", written.text());
    let written = written.json();
    assert_eq!(
        (&written["Results"][0]["KV"]["Value"], &written["Results"][1]["KV"]["Value"]),
        (&json!(null), &json!("YQ=="))
    );
    assert_eq!((&written["Errors"], &written["Index"]), (&json!(null), &json!(null)));
    let read = running.put("/v1/txn", r#"[{"KV":{"Verb":"get","Key":"none"}}]"#).await;
    assert_eq!((read.status, read.header("x-consul-knownleader")), (409, Some("true")));
    assert_eq!(read.header("x-consul-index"), None);
    let read = read.json();
    assert_eq!(read["Errors"], json!([{"OpIndex": 0, "What": "key \"none\" doesn't exist"}]));
    assert_eq!((&read["Results"], &read["KnownLeader"]), (&json!(null), &json!(true)));
    for empty in ["null", "[]", "[{}]"] {
        assert_eq!(running.put("/v1/txn", empty).await.json()["Results"], json!([]), "{empty}");
    }
    assert_eq!(seen(&running.put("/v1/txn", "").await), (400, "Failed to parse body: EOF".to_owned()));
    assert_eq!(running.put("/v1/txn", "[null]").await.status, 400);
    running.stop().await;
}

#[tokio::test]
async fn sessions_live_and_lock() {
    let running = ready().await;
    let created = running.put("/v1/session/create", r#"{"Name":"n","NodeChecks":[],"Unknown":1}"#).await;
    let id = created.json()["ID"].as_str().unwrap().to_owned();
    let info = running.get(&format!("/v1/session/info/{id}")).await.json();
    assert_eq!(
        (&info[0]["Name"], &info[0]["LockDelay"], &info[0]["Node"]),
        (&json!("n"), &json!(15_000_000_000_u64), &json!("one"))
    );
    assert_eq!((&info[0]["NodeChecks"], &info[0]["Behavior"]), (&json!([]), &json!("release")));
    assert_eq!(running.put(&format!("/v1/kv/lock?acquire={id}"), "x").await.text(), "true");
    assert_eq!(running.get("/v1/kv/lock").await.json()[0]["Session"], json!(id));
    assert_eq!(running.get("/v1/session/node/ONE").await.json(), running.get("/v1/session/list").await.json());
    assert_eq!(running.put(&format!("/v1/session/renew/{id}"), "").await.json()[0]["ID"], json!(id));
    assert_eq!(running.put(&format!("/v1/session/destroy/{id}"), "").await.text(), "true");
    assert_eq!(running.get(&format!("/v1/session/info/{id}")).await.text(), "[]");
    let cases = [
        ("/v1/session/renew/xx", "", 404, "Session id 'xx' not found"),
        ("/v1/session/renew/", "", 400, "Missing session"),
        ("/v1/session/destroy/", "", 400, "Missing session"),
        ("/v1/session/create", r#"{"LockDelay":""}"#, 400, "Request decode failed: time: invalid duration \"\""),
        ("/v1/session/create", "{", 400, "Request decode failed: unexpected EOF"),
        ("/v1/session/create?dc=zz", "{}", 500, "No path to datacenter"),
    ];
    for (path, body, status, text) in cases {
        assert_eq!(seen(&running.put(path, body).await), (status, text.to_owned()), "{path} {body}");
    }
    running.stop().await;
}

#[tokio::test]
async fn events_are_fired_listed_and_awaited() {
    let running = ready().await;
    let empty = running.get("/v1/event/list").await;
    assert_eq!((empty.text().as_str(), empty.index()), ("[]", 1));
    let (waited, fired) =
        tokio::join!(running.get("/v1/event/list?index=1"), running.put("/v1/event/fire/deploy", "x"));
    let fired = fired.json();
    assert_eq!((&fired["Name"], &fired["Payload"], &fired["LTime"]), (&json!("deploy"), &json!("eA=="), &json!(0)));
    assert_eq!(waited.json()[0]["ID"], fired["ID"]);
    assert_eq!(running.get("/v1/event/list?name=other").await.text(), "[]");
    let cases = [
        ("/v1/event/fire/", 400, "Missing name"),
        ("/v1/event/fire/a?tag=x", 500, "Cannot provide tag filter without service filter"),
        ("/v1/event/fire/a?dc=zz", 500, "No path to datacenter"),
    ];
    for (path, status, text) in cases {
        assert_eq!(seen(&running.put(path, "").await), (status, text.to_owned()), "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_snapshot_restores_what_it_saved() {
    let running = ready().await;
    running.put("/v1/kv/a", "before").await;
    let saved = running.get("/v1/snapshot").await;
    assert_eq!((saved.status, saved.header("content-type")), (200, Some("application/x-gzip")));
    assert!(saved.header("x-consul-index").is_some());
    running.put("/v1/kv/a", "after").await;
    assert_eq!(seen(&running.put("/v1/snapshot", &saved.body).await), (200, String::new()));
    assert_eq!(running.get("/v1/kv/a?raw").await.text(), "before");
    assert_eq!(seen(&running.put("/v1/snapshot?stale", "x").await), (500, "stale not allowed for restore".to_owned()));
    assert_eq!(running.put("/v1/snapshot", "x").await.status, 500);
    running.stop().await;
}

#[tokio::test]
async fn the_catalog_is_written_and_read() {
    let running = ready().await;
    let body = json!({
        "Node": "n1", "Address": "10.0.0.1", "NodeMeta": {"rack": "r1"},
        "Service": {"ID": "web1", "Service": "web", "Tags": ["a"], "Port": 80, "Weights": {"Passing": 3}},
        "Check": {"Name": "c", "ServiceID": "web1", "Status": "warning"},
    });
    assert_eq!(seen(&running.put("/v1/catalog/register", body.to_string()).await), (200, "true".to_owned()));
    let nodes = running.get("/v1/catalog/nodes?node-meta=rack:r1").await;
    assert_eq!(
        (nodes.json()[0]["Node"].clone(), nodes.header("x-consul-effective-consistency")),
        (json!("n1"), Some("leader"))
    );
    assert_eq!(running.get("/v1/catalog/services").await.json(), json!({"consul": [], "web": ["a"]}));
    let service = running.get("/v1/catalog/service/WEB?tag=A&stale").await;
    assert_eq!(service.json()[0]["ServiceWeights"], json!({"Passing": 3, "Warning": 0}));
    assert_eq!(service.header("x-consul-effective-consistency"), Some("stale"));
    assert_eq!(running.get("/v1/catalog/service/web?tag=b").await.text(), "[]");
    assert_eq!(running.get("/v1/catalog/node/n1").await.json()["Services"]["web1"]["Port"], json!(80));
    assert_eq!(running.get("/v1/catalog/node-services/N1").await.json()["Services"][0]["ID"], json!("web1"));
    assert_eq!(seen(&running.get("/v1/catalog/node/none").await), (200, "null".to_owned()));
    assert_eq!(running.get("/v1/catalog/node-services/none").await.text(), r#"{"Node":null,"Services":null}"#);
    let checks = running.get("/v1/health/checks/web").await.json();
    assert_eq!((&checks[0]["Status"], &checks[0]["ServiceTags"]), (&json!("warning"), &json!(["a"])));
    assert_eq!(running.get("/v1/health/state/warning").await.json(), checks);
    assert_eq!(running.get("/v1/health/node/n1").await.json(), checks);
    assert_eq!(running.get("/v1/health/service/web").await.json()[0]["Checks"], checks);
    assert_eq!(running.get("/v1/health/service/web?passing").await.text(), "[]");
    assert_eq!(running.get("/v1/health/service/web?passing=false").await.json().as_array().unwrap().len(), 1);
    let bad = running.get("/v1/health/service/web?passing=x").await;
    assert_eq!(seen(&bad), (400, "Invalid value for ?passing".to_owned()));
    assert!(bad.index() > 1);
    let gone = running.put("/v1/catalog/deregister", r#"{"Node":"n1"}"#).await;
    assert_eq!(seen(&gone), (200, "true".to_owned()));
    assert_eq!(running.get("/v1/health/node/n1").await.text(), "[]");
    running.stop().await;
}

#[tokio::test]
async fn errors_of_reads_carry_metadata_where_the_reference_sends_it() {
    let running = ready().await;
    let with =
        ["/v1/catalog/nodes", "/v1/catalog/service/a", "/v1/health/node/a", "/v1/session/list", "/v1/coordinate/nodes"];
    let without = ["/v1/kv/a", "/v1/health/service/a", "/v1/snapshot", "/v1/status/leader"];
    for (paths, expected) in [(&with[..], true), (&without[..], false)] {
        for path in paths {
            let got = running.get(&format!("{path}?dc=zz")).await;
            assert_eq!(seen(&got), (500, "No path to datacenter".to_owned()), "{path}");
            assert_eq!(got.header("x-consul-index"), expected.then_some("1"), "{path}");
            assert_eq!(got.header("x-consul-knownleader"), expected.then_some("false"), "{path}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn filters_choose_what_is_answered() {
    let running = ready().await;
    assert_eq!(running.get("/v1/catalog/nodes?filter=").await.status, 200);
    let none = running.get("/v1/catalog/nodes?filter=Node==nobody").await;
    assert_eq!(seen(&none), (200, "[]".to_owned()));
    let prefix = "Failed to create boolean expression evaluator: ";
    let bad = running.get("/v1/catalog/nodes?filter=Nope==a").await;
    assert_eq!(seen(&bad), (500, format!("{prefix}Selector \"Nope\" is not valid")));
    let streamed = running.get("/v1/health/service/a?cached&filter=Nope==a").await;
    assert_eq!(seen(&streamed), (500, "Selector \"Nope\" is not valid".to_owned()));
    running.stop().await;
}

#[tokio::test]
async fn services_of_the_agent_are_registered_listed_and_removed() {
    let running = ready().await;
    let body = r#"{"Name":"web","Port":80,"Tags":["v1"],"Address":"10.0.0.5","enable_tag_override":true}"#;
    assert_eq!(seen(&running.put("/v1/agent/service/register", body).await), (200, String::new()));
    let listed = running.get("/v1/agent/services?filter=Service==web").await;
    let web: serde_json::Value = serde_json::from_slice(&listed.body).unwrap();
    assert_eq!(web["web"]["TaggedAddresses"]["lan_ipv4"]["Port"], 80);
    assert_eq!(web["web"]["EnableTagOverride"], true);
    let catalog = running.get("/v1/catalog/service/web?index=1&wait=30s").await;
    assert!(String::from_utf8_lossy(&catalog.body).contains("10.0.0.5"), "anti-entropy wrote it to the catalog");
    assert_eq!(running.put("/v1/agent/service/deregister/web", "").await.status, 200);
    let gone = running.put("/v1/agent/service/deregister/web", "").await;
    assert_eq!(gone.status, 404);
    running.stop().await;
}

#[tokio::test]
async fn bad_service_definitions_are_refused_in_the_known_words() {
    let running = ready().await;
    let cases = [
        ("{}", 400, "Missing service name"),
        (r#"{"Name":"a","Address":"0.0.0.0"}"#, 400, "Invalid service address"),
        (r#"{"Name":"a","Weights":{"Passing":0}}"#, 400, "Invalid Weights: Passing must be greater than 0"),
        (
            r#"{"Name":"a","Meta":{"b c":"d"}}"#,
            400,
            "Invalid Service Meta: Couldn't load metadata pair ('b c', 'd'): Key contains invalid characters",
        ),
        (
            r#"{"Name":"a","TaggedAddresses":{"lan_ipv4":{"Address":"::1"}}}"#,
            500,
            "Service tagged address \"lan_ipv4\" must be a valid ipv4 address",
        ),
        (r#"{"Name":"a","socket_path":"/x"}"#, 400, "Request decode failed: json: unknown field \"socket_path\""),
        (
            r#"{"Name":"a","Connect":{"Native":true}}"#,
            400,
            "Validation failed: 1 error occurred:\n\t* Port or SocketPath must be set for a Connect native service.\n\n",
        ),
    ];
    for (body, status, text) in cases {
        let answer = running.put("/v1/agent/service/register", body).await;
        assert_eq!(seen(&answer), (status, text.to_owned()), "{body}");
    }
    running.stop().await;
}

#[tokio::test]
async fn coordinates_are_reported_and_read() {
    let running = ready().await;
    let cases = [
        ("", 400, "Request decode failed: EOF"),
        (r#"{"Foo":1}"#, 400, "Request decode failed: json: unknown field \"Foo\""),
        (r#"{"Node":"x"}"#, 400, "Must provide a coordinate (Coord)"),
        (r#"{"Node":"x","Coord":{"Vec":[1,2]}}"#, 500, "incompatible coordinate"),
    ];
    for (body, status, text) in cases {
        assert_eq!(seen(&running.put("/v1/coordinate/update", body).await), (status, text.to_owned()), "{body}");
    }
    let body = r#"{"Node":"one","Coord":{"Vec":[0,0,0,0,0,0,0,0],"Error":1.5,"Adjustment":0,"Height":1e-05}}"#;
    assert_eq!(seen(&running.put("/v1/coordinate/update", body).await), (200, String::new()));
    while running.get("/v1/coordinate/nodes").await.text() == "[]" {
        tokio::task::yield_now().await;
    }
    let spelt = running.get("/v1/coordinate/node/ONE").await.json();
    assert_eq!((&spelt[0]["Node"], &spelt[0]["Coord"]["Error"]), (&json!("ONE"), &json!(1.5)));
    assert_eq!(running.get("/v1/coordinate/node/ONE?segment=x").await.status, 404);
    let missing = running.get("/v1/coordinate/node/").await;
    assert_eq!((missing.status, missing.header("x-consul-index")), (404, None));
    running.stop().await;
}

#[tokio::test]
async fn the_agent_describes_itself_and_its_cluster() {
    let running = ready().await;
    let described = running.get("/v1/agent/self?index=abc&stale&consistent").await.json();
    assert_eq!(described["Config"]["NodeName"], json!("one"));
    assert_eq!(running.get("/v1/status/leader").await.text(), "\"127.0.0.1:8300\"");
    assert_eq!(running.get("/v1/status/peers").await.text(), "[\"127.0.0.1:8300\"]");
    let raft = running.get("/v1/operator/raft/configuration").await.json();
    assert_eq!(
        (&raft["Index"], &raft["Servers"][0]["Leader"], &raft["Servers"][0]["Node"]),
        (&json!(0), &json!(true), &json!("one"))
    );
    assert_eq!(running.get("/v1/catalog/datacenters?dc=zz&index=abc").await.text(), "[\"dc1\"]");
    assert_eq!(seen(&running.get("/v1/agent/monitor?loglevel=x").await), (400, "Unknown log level: x".to_owned()));
    // The answer comes when the agent has left.
    let left = async {
        running.agent.leaving().cancelled().await;
        running.agent.stopping().cancel();
    };
    let (answer, ()) = tokio::join!(running.put("/v1/agent/leave", ""), left);
    assert_eq!(seen(&answer), (200, String::new()));
    running.stop().await;
}

#[tokio::test]
async fn the_log_is_streamed_line_by_line() {
    let settings = telemetry::LogSettings { level: telemetry::Level::ERROR, json: false, file: None, stdout: false };
    let (logs, subscriber) = telemetry::build(settings, telemetry::Seams::default()).unwrap();
    let _installed = tracing::subscriber::set_default(subscriber);
    let agent = common::agent().await;
    let http = http_api::start(agent.clone(), logs, Settings::default(), vec![common::listener()]).unwrap();
    let mut stream = TcpStream::connect(http.addresses()[0]).await.unwrap();
    stream.write_all(b"GET /v1/agent/monitor?loglevel=warn HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_until(&mut stream, "\r\n\r\n").await;
    tracing::info!(target: "agent", "a quiet line");
    tracing::warn!(target: "agent", "a loud line");
    let seen = read_until(&mut stream, "loud line").await;
    assert!(!seen.contains("quiet"), "{seen}");
    http.stop().await;
    agent.stop().await;
}

/// Everything up to and including a text; the stream must stay open until then.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut seen = String::new();
    let reading = async {
        while !seen.contains(text) {
            seen.push(char::from(stream.read_u8().await.unwrap()));
        }
    };
    tokio::time::timeout(common::DEADLINE, reading).await.unwrap();
    seen
}

#[tokio::test]
async fn legacy_acl_routes_say_they_are_gone() {
    let running = ready().await;
    let text = "Endpoint /v1/acl/list for the legacy ACL system was removed in Consul 1.11.";
    assert_eq!(seen(&running.get("/v1/acl/list").await), (410, text.to_owned()));
    running.stop().await;
}

#[tokio::test]
async fn the_mesh_s_roots_are_read_as_json_and_as_pem() {
    let running = ready().await;
    let got = loop {
        // Until the authority has a name and a root.
        let got = running.get("/v1/connect/ca/roots").await;
        if got.status == 200 && got.json()["ActiveRootID"] != "" {
            break got;
        }
    };
    let body = got.json();
    let root = &body["Roots"][0];
    assert_eq!((&root["ID"], &root["Active"]), (&body["ActiveRootID"], &json!(true)));
    assert_eq!(root["IntermediateCerts"], json!(null));
    assert_eq!(root["ModifyIndex"], json!(got.index()));
    assert!(root.get("RotatedOutAt").is_none() && root.get("SigningKey").is_none());
    let domain = format!("{}.consul", root["ExternalTrustDomain"].as_str().unwrap());
    assert_eq!(body["TrustDomain"], json!(domain));

    let pem = running.get("/v1/connect/ca/roots?pem=true").await;
    assert_eq!((pem.text().as_str(), pem.header("x-consul-index")), (root["RootCert"].as_str().unwrap(), None));
    assert_eq!(pem.header("content-type"), Some("application/pem-certificate-chain"));
    let bad = running.get("/v1/connect/ca/roots?pem=maybe").await;
    assert_eq!(seen(&bad), (400, "The 'pem' query parameter must be a boolean value".to_owned()));
    running.stop().await;
}

#[tokio::test]
async fn the_agent_s_roots_say_whether_they_were_waited_for() {
    let running = ready().await;
    let index = loop {
        let got = running.get("/v1/agent/connect/ca/roots").await;
        if got.status == 200 && got.json()["ActiveRootID"] != "" {
            assert_eq!((got.header("x-cache"), got.header("age")), (Some("HIT"), Some("0")));
            break got.index();
        }
    };
    let waited = running.get(&format!("/v1/agent/connect/ca/roots?index={index}&wait=1ms")).await;
    assert_eq!((waited.index(), waited.header("x-cache"), waited.header("age")), (index, Some("MISS"), None));
    let elsewhere = running.get("/v1/agent/connect/ca/roots?dc=nope").await;
    assert_eq!(seen(&elsewhere), (500, "No path to datacenter".to_owned()));
    running.stop().await;
}
