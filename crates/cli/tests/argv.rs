//! Where output goes and what the exit code is, for command lines that need no agent.

mod common;

use cli::command::{Run, all};
use common::{AGENT_EXIT, run, run_with};

#[test]
fn exit_codes_and_streams_of_command_lines_without_a_command() {
    for (args, exit, on_stdout) in [
        (&[][..], 127, false),
        (&["nosuch"], 127, false),
        (&["nosuch", "-x"], 127, false),
        (&["--", "members"], 127, false),
        (&["-"], 127, false),
        (&["kv get"], 127, false),
        (&["-h"], 0, true),
        (&["--help"], 0, true),
        (&["nosuch", "-h"], 0, true),
        (&["-v"], 0, true),
        (&["--version", "kv", "nosuch"], 0, true),
        (&["kv"], 1, false),
        (&["kv", "nosuch"], 1, false),
        (&["kv", "nosuch", "-h"], 0, true),
        (&["acl", "token", "nosuch", "-x"], 1, false),
        (&["members", "-v"], 1, false),
        (&["-foo", "members"], 1, false),
        (&["-foo", "members", "-h"], 0, true),
    ] {
        let ran = run(args);
        assert_eq!(ran.exit, exit, "{args:?}");
        assert_eq!((ran.stdout.is_empty(), ran.stderr.is_empty()), (!on_stdout, on_stdout), "{args:?}");
    }
}

#[test]
fn flags_before_the_command_are_refused_with_its_help() {
    let ran = run(&["-foo", "members"]);
    let start = "Invalid flags before the subcommand. If these flags are for\nthe subcommand, please put them after the \
                 subcommand.\n\nUsage: consul members [options]\n";
    assert!(ran.stderr.starts_with(start), "{}", ran.stderr);
}

#[test]
fn a_flag_error_is_followed_by_the_listing_and_on_some_commands_by_itself() {
    for (args, exit, first, last) in [
        (&["version", "-x"][..], 1, "flag provided but not defined: -x", None),
        (&["intention", "match", "-x"], 2, "flag provided but not defined: -x", None),
        (&["intention", "check", "-x"], 2, "flag provided but not defined: -x", None),
        (&["tls", "ca", "create", "-x"], 1, "flag provided but not defined: -x", Some("Failed to parse args: ")),
        (
            &["operator", "raft", "list-peers", "-x"],
            1,
            "flag provided but not defined: -x",
            Some("Failed to parse args: "),
        ),
        (&["snapshot", "inspect", "-x"], 1, "flag provided but not defined: -x", Some("")),
        (&["validate", "-x"], 1, "flag provided but not defined: -x", Some("")),
        (&["debug", "-x"], 1, "flag provided but not defined: -x", Some("==> Error parsing flags: ")),
        (&["agent", "-x"], 1, "flag provided but not defined: -x", Some("==> error parsing flags: ")),
        (&["lock", "-n=x", "a", "b"], 1, "invalid value \"x\" for flag -n: parse error", None),
    ] {
        let ran = run(args);
        let lines: Vec<&str> = ran.stderr.lines().collect();
        assert_eq!((ran.exit, lines[0], lines[1], ran.stdout.as_str()), (exit, first, "Usage:", ""), "{args:?}");
        match last {
            Some(prefix) => assert_eq!(lines.last().copied(), Some(format!("{prefix}{first}").as_str()), "{args:?}"),
            None => assert!(lines.last().is_some_and(|l| l.starts_with(' ')), "{args:?}"),
        }
    }
}

#[test]
fn the_flag_listing_shows_types_descriptions_and_defaults() {
    let ran = run(&["version", "-h=1"]);
    assert_eq!(ran.exit, 1);
    assert_eq!(
        ran.stderr,
        "Usage:\n  -format pretty|json\n    \tHow to print the result: for people (pretty) or for programs (json). (default \
         \"pretty\")\n"
    );
}

#[test]
fn the_agent_gets_its_flags_and_refuses_arguments() {
    assert_eq!(run(&["agent", "-dev"]).exit, AGENT_EXIT);
    let ran = run(&["agent", "a", "b"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (1, "==> Unexpected extra arguments: [a b]\n"));
}

#[test]
fn every_command_that_is_missing_names_what_it_lacks() {
    for command in all() {
        let Run::Missing { capability, .. } = command.run else { continue };
        let words: Vec<&str> = command.path.split(' ').collect();
        let ran = run(&words);
        assert_ne!(ran.exit, 0, "{}", command.path);
        assert_eq!(ran.stdout, "", "{}", command.path);
        assert!(!ran.stderr.is_empty() && !capability.is_empty(), "{}", command.path);
    }
    let ran = run(&["peering", "list"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (1, "peering list: cluster peering is not there yet\n"));
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_done() {
    for (args, exit, message) in [
        (&["catalog", "nodes", "a", "b"][..], 1, "Too many arguments (expected 0, got 2)"),
        (
            &["catalog", "nodes", "-filter=@/no/such"],
            1,
            "Could not process filter argument: Failed to read file: open /no/such: no such file or directory",
        ),
        (&["config", "read"], 1, "Must specify the -kind parameter"),
        (
            &["config", "delete", "-kind=a", "-name=b", "-cas"],
            1,
            "Must specify a -modify-index greater than 0 with -cas",
        ),
        (&["debug", "a"], 1, "==> debug: Too many arguments provided, expected 0"),
        (&["intention", "check", "a"], 2, "Error: command requires exactly two arguments: src and dst"),
        (&["keyring", "-list", "-use=x"], 1, "Only a single action is allowed"),
        (
            &["keyring", "-list", "-relay-factor=6"],
            1,
            "Error parsing relay factor: Relay factor must be in range: [0, 5]",
        ),
        (&["kv", "get"], 1, "Error! Missing KEY argument"),
        (&["kv", "get", "a", "b"], 1, "Too many arguments (expected 1, got 2)"),
        (&["kv", "put", "a", "b", "-cas"], 1, "Error! Too many arguments (expected 1 or 2, got 3)"),
        (&["kv", "put", "-acquire", "a"], 1, "Error! Missing -session (required with -acquire and -release)"),
        (&["kv", "import", ""], 1, "Error! Empty DATA argument"),
        (&["lock", "-n=0", "a", "b"], 1, "Lock holder limit must be positive"),
        (&["lock", "a"], 1, "Key prefix and child command must be specified"),
        (&["lock", "-try=-1s", "a", "b"], 1, "Timeout must be positive"),
        (&["lock", "-monitor-retry=-1", "a", "b"], 1, "Number for 'monitor-retry' must be >= 0"),
        (&["maint", "-enable", "-disable"], 1, "Only one of -enable or -disable may be provided"),
        (&["maint", "-reason=x"], 1, "Reason may only be provided with -enable"),
        (&["maint", "-disable", "-reason=x"], 1, "Reason may only be provided with -enable"),
        (&["maint", "-service=web"], 1, "Service requires either -enable or -disable"),
        (&["members", "-status=["], 1, "Failed to compile status regexp: error parsing regexp: missing closing ]: `[`"),
        (&["event", "-name=x", "-tag=a"], 1, "Cannot provide tag filter without service filter."),
        (&["services", "deregister"], 1, "Service deregistration requires at least one argument or -id."),
        (&["services", "deregister", "-id=x", "a"], 1, "Service deregistration requires arguments or -id, not both."),
        (&["services", "register"], 1, "Service registration requires at least one argument or flags."),
        (&["services", "register", "-name=x", "a"], 1, "Service registration requires arguments or -id, not both."),
        (
            &["services", "register", "-name=x", "-tagged-address=lan=10.0.0.1"],
            1,
            "Invalid Tagged Address: address 10.0.0.1: missing port in address",
        ),
        (
            &["services", "register", "/no/such.json"],
            1,
            "Error: config: Open failed on /no/such.json. open /no/such.json: no such file or directory",
        ),
        (&["snapshot", "save"], 1, "Missing FILE argument"),
        (&["tls", "cert", "create"], 1, "Please provide either -server, -client, or -cli"),
        (&["validate"], 1, "Must specify at least one config file or directory"),
        (&["validate", "-config-format=x", "a"], 1, "-config-format must be either 'hcl' or 'json"),
        (&["version", "-format=xml"], 1, "Unknown format: xml"),
        (&["watch", "-type=key"], 1, "Must specify a single key to watch"),
        (&["watch", "-type=bogus"], 1, "Unsupported watch type: bogus"),
        (&["watch", "-type=checks", "-service=a", "-state=b"], 1, "Cannot specify service and state"),
        (&["watch", "-type=nodes", "-key=a"], 1, "Invalid parameters: [key]"),
    ] {
        let ran = run(args);
        assert_eq!((ran.exit, ran.stdout.as_str(), ran.stderr.trim_end()), (exit, "", message), "{args:?}");
    }
}

#[test]
fn what_is_misused_is_answered_with_help() {
    for (args, message, usage) in [
        (&["event"][..], "Event name must be specified", "event"),
        (&["exec"], "Must specify a command to execute", "exec"),
        (&["rtt"], "One or two node names must be specified", "rtt"),
        (&["watch"], "Watch type must be specified", "watch"),
        (&["join"], "At least one address to join must be specified.", "join"),
        (&["force-leave"], "A single node name must be specified to force leave.", "force-leave"),
        (&["force-leave", "a", "b"], "A single node name must be specified to force leave.", "force-leave"),
    ] {
        let ran = run(args);
        assert_eq!((ran.exit, ran.stdout.as_str()), (1, ""), "{args:?}");
        assert!(ran.stderr.starts_with(&format!("{message}\n\nUsage: consul {usage}")), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn where_the_agent_is_comes_from_flags_and_the_environment() {
    let refused = |address: &str| {
        format!(
            "Error querying Consul agent: Get \"http://{address}/v1/kv/a\": dial tcp {address}: connect: connection refused\n"
        )
    };
    for (args, variable, message) in [
        (&["kv", "get", "a"][..], "127.0.0.1:1", refused("127.0.0.1:1")),
        (&["kv", "get", "-http-addr=127.0.0.1:2", "a"], "127.0.0.1:1", refused("127.0.0.1:2")),
        (&["kv", "get", "-http-addr=", "a"], "127.0.0.1:1", refused("127.0.0.1:1")),
        (
            &["kv", "get", "a"],
            "tcp://x",
            "Error connecting to Consul agent: Unknown protocol scheme: tcp\n".to_string(),
        ),
        (&["peering", "list"], "tcp://x", "Error connect to Consul agent: Unknown protocol scheme: tcp\n".to_string()),
        (
            &["connect", "ca", "get-config"],
            "tcp://x",
            "Error initializing client: Unknown protocol scheme: tcp\n".to_string(),
        ),
    ] {
        let ran = run_with(args, &[("CONSUL_HTTP_ADDR", variable)], "");
        assert_eq!((ran.exit, ran.stderr), (1, message), "{args:?} {variable}");
    }
}

#[test]
fn version_prints_for_people_and_for_programs() {
    let ran = run(&["version"]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], format!("Consul v{}", cli::VERSION));
    assert_eq!(lines.last().copied(), Some(""), "a blank line ends it");
    assert_eq!(run(&["-v"]).stdout, ran.stdout);
    let json: serde_json::Value = serde_json::from_str(&run(&["version", "-format=json"]).stdout).expect("JSON");
    assert_eq!(json["RPC"], serde_json::json!({"Default": 2, "Min": 2, "Max": 3}));
}

#[test]
fn keygen_makes_a_new_key_of_32_bytes_each_time() {
    let (one, two) = (run(&["keygen"]).stdout, run(&["keygen"]).stdout);
    assert_ne!(one, two);
    assert_eq!(wire::json::base64_bytes::decode(one.trim_end().as_bytes()).map(|k| k.len()), Ok(32));
}

#[test]
fn completion_answers_the_line_the_shell_hands_over() {
    let ran = run_with(&["consul", "ge", "kv"], &[("COMP_LINE", "consul kv ge")], "");
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, "get\n"));
}

#[test]
fn both_completion_flags_at_once_are_refused() {
    let ran = run(&["-autocomplete-install", "-autocomplete-uninstall"]);
    let text =
        "Error executing CLI: Either the autocomplete install or uninstall flag may be specified, but not both.\n";
    assert_eq!((ran.exit, ran.stderr.as_str()), (1, text));
}
