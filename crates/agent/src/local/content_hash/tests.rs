//! Expected hashes were printed by a Go program that hashes `api.AgentService` of the official client (v1.18.0) with
//! hashstructure v1.1.0, and shown by the reference (1.14) for the same services.

use serde_json::json;

use super::*;

fn hash_of(service: Value) -> String {
    let service: NodeService = serde_json::from_value(service).unwrap();
    content_hash(&service)
}

/// Hash of a proxy of `web` with these settings besides.
fn hash_of_proxy(settings: Value) -> String {
    let mut service = json!({
        "Kind": "connect-proxy", "ID": "px", "Service": "px", "Port": 9, "Proxy": settings,
    });
    service["Proxy"]["DestinationServiceName"] = "web".into();
    hash_of(service)
}

#[test]
fn services_hash_as_in_the_reference() {
    let cases = [
        ("a bare service", "f2137234e77318c", json!({"ID": "web", "Service": "web"})),
        (
            "the official client's test",
            "3e352f348d44f7eb",
            json!({"ID": "foo", "Service": "foo", "Tags": ["bar", "baz"], "Port": 8000}),
        ),
        (
            "tags in another order",
            "36f9d47134c80d58",
            json!({"ID": "foo", "Service": "foo", "Tags": ["baz", "bar"], "Port": 8000}),
        ),
        (
            "everything a typical service has",
            "59b443192d4258db",
            json!({
                "ID": "web1", "Service": "web", "Tags": ["a", "ü"], "Meta": {"k": "v", "empty": ""}, "Port": 80,
                "Address": "web.example",
                "TaggedAddresses": {
                    "lan": {"Address": "10.0.0.1", "Port": 81},
                    "wan": {"Address": "198.51.100.1", "Port": 443},
                },
                "Weights": {"Passing": 10, "Warning": 0}, "EnableTagOverride": true,
            }),
        ),
        ("a socket", "2de5dfa068ec0f71", json!({"ID": "web", "Service": "web", "SocketPath": "/run/web.sock"})),
        (
            "a native service",
            "9c4649c3120f60b6",
            json!({"ID": "web", "Service": "web", "Port": 80, "Connect": {"Native": true}}),
        ),
        (
            "proxy settings of what is no proxy",
            "f2137234e77318c",
            json!({"ID": "web", "Service": "web", "Proxy": {"MeshGateway": {"Mode": "local"}}}),
        ),
        (
            "a mesh gateway",
            "837d67be752f1a10",
            json!({"Kind": "mesh-gateway", "ID": "gw", "Service": "gw", "Port": 8443}),
        ),
        (
            "a terminating gateway",
            "757ac01e1353c9e2",
            json!({
                "Kind": "terminating-gateway", "ID": "gw", "Service": "gw", "Port": 8443,
                "Proxy": {"Config": {"x": 1}},
            }),
        ),
        (
            "an ingress gateway",
            "6a3c2b18e2d3f9f2",
            json!({"Kind": "ingress-gateway", "ID": "gw", "Service": "gw", "Port": 8443}),
        ),
    ];
    for (name, expected, service) in cases {
        assert_eq!(hash_of(service), expected, "{name}");
    }
}

#[test]
fn proxies_hash_as_in_the_reference() {
    let cases = [
        ("a bare proxy", "dfd7541f40cdfa98", json!({})),
        (
            "a proxy's service",
            "6a6790a446315be4",
            json!({
                "DestinationServiceID": "web1", "LocalServiceAddress": "127.0.0.2", "LocalServicePort": 80,
                "MeshGateway": {"Mode": "local"},
            }),
        ),
        (
            "a proxy to a socket",
            "963c566b611f818c",
            json!({"LocalServiceSocketPath": "/run/web.sock", "Mode": "direct"}),
        ),
        (
            "a transparent proxy",
            "bdde5108abc450f6",
            json!({"Mode": "transparent", "TransparentProxy": {"OutboundListenerPort": 15001, "DialedDirectly": true}}),
        ),
        (
            "free-form settings",
            "5fa053bc398d75c4",
            json!({
                "Config": {
                    "one": 1, "minus": -3, "half": 1.5, "big": 12_345_678_901_234_567_890_u64, "yes": true, "no": false,
                    "text": "x", "nul": null, "list": [1, "a", null, [2]], "nested": {"b": {"c": "d"}}, "é": "ü",
                },
            }),
        ),
        ("empty free-form settings", "f8516418b70721fe", json!({"Config": {"list": [], "map": {}}})),
        (
            "exposed paths",
            "b8426934a34a0c6",
            json!({
                "Expose": {
                    "Checks": true,
                    "Paths": [
                        {"ListenerPort": 21500, "Path": "/health", "LocalPathPort": 8080, "Protocol": "http2"},
                        {"ListenerPort": 21501, "Path": "/m", "LocalPathPort": 8081},
                    ],
                },
            }),
        ),
        (
            "upstreams",
            "92587045ea941b1a",
            json!({
                "Upstreams": [
                    {
                        "DestinationType": "service", "DestinationName": "db", "LocalBindPort": 9191,
                        "Config": {"connect_timeout_ms": 1000}, "MeshGateway": {"Mode": "remote"},
                    },
                    {
                        "DestinationType": "prepared_query", "DestinationName": "q", "Datacenter": "dc2",
                        "LocalBindAddress": "127.0.0.2", "LocalBindPort": 9192,
                    },
                ],
            }),
        ),
        (
            "an upstream of a peer",
            "9ebda837bcf90f6b",
            json!({
                "Upstreams": [
                    {
                        "DestinationType": "service", "DestinationPeer": "p1", "DestinationName": "db",
                        "LocalBindSocketPath": "/run/db.sock", "LocalBindSocketMode": "0600",
                    },
                ],
            }),
        ),
        (
            "enterprise names and a path of a check",
            "53077bdf06b46dda",
            json!({
                "Upstreams": [
                    {
                        "DestinationType": "service", "DestinationPartition": "default",
                        "DestinationNamespace": "default", "DestinationName": "db", "LocalBindPort": 1,
                    },
                ],
                "Expose": {"Paths": [{"ListenerPort": 1, "Path": "/x", "ParsedFromCheck": true}]},
            }),
        ),
    ];
    for (name, expected, settings) in cases {
        assert_eq!(hash_of_proxy(settings), expected, "{name}");
    }
}

#[test]
fn free_values_hash_as_in_go() {
    let cases = [
        (json!(null), "a8c7f832281a39c5"),
        (json!(true), "af63bd4c8601b7de"),
        (json!(1), "a8c7a8322819b1ea"),
        (json!(1.5), "a8c7b0322819bf52"),
        (json!(-1), "a8c7a8322819b16a"),
        (json!(1e300), "dcace18759d733af"),
        (json!("a"), "af63bd4c8601b7be"),
        (json!([]), "0"),
        (json!({}), "0"),
        (json!([null]), "ef94d46376203236"),
        (json!([1, "x", true, null]), "9f399706de2e1e28"),
        (json!({"a": null, "b": []}), "e8e28325a96f893e"),
    ];
    for (value, expected) in cases {
        assert_eq!(format!("{:x}", free(&value).0), expected, "{value}");
    }
}

#[test]
fn what_is_not_shown_does_not_count() {
    let service = NodeService { id: "web".into(), service: "web".into(), ..NodeService::default() };
    let expected = content_hash(&service);
    let same = [
        NodeService { weights: Some(Weights { passing: 0, warning: 1 }), ..service.clone() },
        NodeService { create_index: 7, modify_index: 9, ..service.clone() },
        NodeService { peer_name: "p1".into(), ..service.clone() },
        NodeService { locally_registered_as_sidecar: true, ..service.clone() },
    ];
    for service in same {
        assert_eq!(content_hash(&service), expected, "{service:?}");
    }
}
