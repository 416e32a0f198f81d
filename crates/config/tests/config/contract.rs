//! The contracts beside loading: what is unavailable, what a reload applies, the node's ID.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::machine;
use config::{BuildInfo, Flags, Loaded, NODE_ID_FILE, idle, load, node_id, reload_diff, unavailable};

fn loaded(flags: &[&str]) -> Loaded {
    let pairs = flags.iter().map(|flag| {
        let flag = flag.trim_start_matches('-');
        flag.split_once('=').unwrap_or((flag, "true"))
    });
    load(&Flags::from_pairs(pairs).unwrap(), &machine(Path::new("/nonexistent"))).unwrap()
}

fn keys(list: &[config::Unavailable]) -> Vec<&'static str> {
    list.iter().map(|unavailable| unavailable.key).collect()
}

const SERVER: [&str; 3] = ["-server", "-data-dir=dd", "-bind=127.0.0.1"];

fn server(extra: &[&str]) -> Loaded {
    loaded(&[&SERVER[..], extra].concat())
}

#[test]
fn a_development_agent_and_a_plain_server_ask_for_nothing_unavailable() {
    for config in [loaded(&["-dev"]), server(&[]), server(&["-bootstrap-expect=1"])] {
        assert_eq!(unavailable(&config), []);
        assert_eq!(idle(&config), []);
    }
}

#[test]
fn settings_that_ask_for_absent_capabilities_are_named() {
    let table = [
        ("acl { enabled = true }", "acl.enabled"),
        ("acl { tokens { agent = \"x\" } }", "acl.tokens.agent"),
        ("auto_encrypt { allow_tls = true } tls { internal_rpc { verify_incoming = true } }", "auto_encrypt.allow_tls"),
        ("tls { internal_rpc { verify_incoming = true } }", "tls.internal_rpc.verify_incoming"),
        ("tls { defaults { verify_outgoing = true } }", "tls.defaults.verify_outgoing"),
        ("telemetry { statsd_address = \"127.0.0.1:8125\" }", "telemetry.statsd_address"),
        ("ui_config { metrics_provider = \"prometheus\" }", "ui_config.metrics_provider"),
        ("primary_datacenter = \"other\"", "primary_datacenter"),
        ("connect { enable_mesh_gateway_wan_federation = true }", "connect.enable_mesh_gateway_wan_federation"),
        ("connect { ca_config { leaf_cert_ttl = \"1h\" } }", "connect.ca_config"),
        ("config_entries { bootstrap { kind = \"mesh\" } }", "config_entries.bootstrap"),
        ("cloud { resource_id = \"x\" }", "cloud"),
        ("enable_syslog = true", "enable_syslog"),
        ("auto_reload_config = true", "auto_reload_config"),
        ("audit { enabled = true }", "audit"),
        ("xds { update_max_per_second = 1 }", "xds.update_max_per_second"),
    ];
    for (fragment, key) in table {
        let config = server(&[&format!("-hcl={fragment}")]);
        assert!(keys(&unavailable(&config)).contains(&key), "{fragment} names {:?}", keys(&unavailable(&config)));
    }
}

#[test]
fn settings_of_existing_capabilities_are_available() {
    let table = [
        "datacenter = \"east\" node_name = \"n\" node_meta { a = \"b\" }",
        "addresses { http = \"unix:///run/x.sock\" https = \"127.0.0.1\" } ports { https = 8501 http = 1 }",
        "tls { defaults { ca_file = \"a\" verify_incoming = true } https { cert_file = \"b\" key_file = \"c\" } }",
        "http_config { block_endpoints = [\"/v1/x\"] use_cache = false response_headers { a = \"b\" } }",
        "limits { kv_max_value_size = 1 txn_max_req_len = 2 http_max_conns_per_client = 3 }",
        "performance { raft_multiplier = 1 leave_drain_time = \"1s\" rpc_hold_timeout = \"1s\" }",
        "raft_snapshot_threshold = 1 raft_snapshot_interval = \"1s\" raft_trailing_logs = 1 session_ttl_min = \"1s\"",
        "log_json = true log_file = \"x\" log_level = \"trace\" pid_file = \"p\" enable_debug = true",
        "watches { type = \"key\" key = \"a\" args = [\"x\"] }",
        "disable_update_check = true disable_remote_exec = true leave_on_terminate = true disable_coordinates = true",
        "disable_http_unprintable_char_filter = true discovery_max_stale = \"5s\" max_query_time = \"1h\"",
        "advertise_addr = \"1.2.3.4\" client_addr = \"0.0.0.0\" unix_sockets { mode = \"0600\" }",
        "primary_datacenter = \"DC1\" bootstrap = true",
        "retry_join = [\"a\"] encrypt = \"MDEyMzQ1Njc4OWFiY2RlZg==\" serf_lan = \"127.0.0.1\" disable_remote_exec = false",
        "bootstrap_expect = 3 autopilot { min_quorum = 3 } gossip_lan { probe_interval = \"2s\" } cache { entry_fetch_rate = 1 }",
        "connect { enabled = false ca_config { cluster_id = \"x\" root_cert_ttl = \"9000h\" private_key_bits = 384 } }",
    ];
    for fragment in table {
        let config = server(&[&format!("-hcl={fragment}")]);
        assert_eq!(keys(&unavailable(&config)), [""; 0], "{fragment}");
        assert_eq!(keys(&idle(&config)), [""; 0], "{fragment}");
    }
}

#[test]
fn settings_that_change_nothing_are_only_warned_about() {
    let fragment =
        "ports { grpc = 1 } addresses { grpc = \"127.0.0.1\" } peering { enabled = true } ui_config { enabled = true }";
    let config = server(&[&format!("-hcl={fragment}")]);
    assert_eq!(keys(&unavailable(&config)), [""; 0]);
    let expected = ["addresses.grpc", "peering.enabled", "ports.grpc", "ui_config.enabled"];
    assert_eq!(keys(&idle(&config)), expected);
}

#[test]
fn a_client_agent_asks_for_nothing_more() {
    let client = loaded(&["-data-dir=dd", "-bind=127.0.0.1"]);
    assert_eq!(keys(&unavailable(&client)), [""; 0]);
}

#[test]
fn a_reload_applies_what_is_reloadable_and_names_the_rest() {
    let old = server(&["-hcl=log_level = \"info\" datacenter = \"a\" node_meta { a = \"1\" }"]);
    let new = server(&["-hcl=\n\nlog_level = \"warn\"\ndatacenter = \"b\"\nnode_meta { a = \"1\" }"]);
    let plan = reload_diff(&old, &new);
    let named = |changes: &[config::Change]| changes.iter().map(|change| change.key).collect::<Vec<_>>();
    assert_eq!(named(&plan.applied), ["log_level"]);
    assert_eq!(named(&plan.needs_restart), ["datacenter"]);
    assert!(plan.applies("log_level"));
    assert_eq!(plan.applied[0].place.as_ref().unwrap().to_string(), "flags-0.hcl:3:1");
}

#[test]
fn a_reload_of_the_same_settings_elsewhere_changes_nothing() {
    let old = server(&["-hcl=service { name = \"a\" }"]);
    let new = server(&["-hcl=\n\nservice { name = \"a\" }"]);
    assert!(reload_diff(&old, &new).is_empty());
}

#[test]
fn a_made_node_id_is_kept_private_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let env = machine(dir.path());
    let config = server(&[]);
    let id = node_id(&config.runtime, &env).unwrap();
    let file = dir.path().join("dd").join(NODE_ID_FILE);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), id);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(node_id(&config.runtime, &env).unwrap(), id);
}

#[test]
fn a_node_id_can_be_derived_from_the_host() {
    let config = server(&["-disable-host-node-id=false"]);
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = node_id(&config.runtime, &machine(one.path())).unwrap();
    assert_eq!(node_id(&config.runtime, &machine(other.path())).unwrap(), first);
}

#[test]
fn node_ids_that_are_none_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let env = machine(dir.path());
    let configured = node_id(&server(&["-node-id=xyz"]).runtime, &env).unwrap_err();
    assert_eq!(
        configured.to_string(),
        "failed to setup node ID: specified NodeID is invalid: uuid string is wrong length"
    );
    std::fs::create_dir(dir.path().join("dd")).unwrap();
    std::fs::write(dir.path().join("dd").join(NODE_ID_FILE), "xyz\n").unwrap();
    let kept = node_id(&server(&[]).runtime, &env).unwrap_err();
    assert_eq!(
        kept.to_string(),
        "failed to setup node ID: NodeID in dd/node-id is invalid: uuid string is wrong length"
    );
}

#[test]
fn a_configured_node_id_is_lower_cased_and_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let config = server(&["-node-id=AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE"]);
    assert_eq!(node_id(&config.runtime, &machine(dir.path())).unwrap(), "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee");
    assert!(!dir.path().join("dd").exists());
}

#[test]
fn secrets_reach_neither_debug_output_nor_the_reported_configuration() {
    let config = server(&[
        "-encrypt=MDEyMzQ1Njc4OWFiY2RlZg==",
        "-hcl=acl { tokens { agent = \"hush-agent\" } } connect { ca_config { token = \"hush-ca\" a { b = \"hush-deep\" } } }",
        "-hcl=retry_join = [\"provider=aws secret_access_key=hush-join\"] service { name = \"a\" token = \"hush-service\" }",
        "-hcl=watches { type = \"nodes\" token = \"hush-watch\" args = [\"x\"] }",
    ]);
    let reported = config.runtime.debug_json("id", &BuildInfo::default()).to_string();
    for text in [format!("{config:?}"), reported] {
        assert!(!text.contains("hush") && !text.contains("MDEy"), "{text}");
    }
}
