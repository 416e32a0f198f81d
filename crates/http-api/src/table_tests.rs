//! The table's own rules, and how paths find their routes.

use std::collections::HashSet;

use super::*;

fn routes() -> Routes {
    Routes::new(&Settings::default())
}

#[test]
fn patterns_are_unique_and_fit_the_lookup() {
    let mut seen = HashSet::new();
    for route in all() {
        assert!(seen.insert(route.pattern), "{} stands twice", route.pattern);
        assert!(route.pattern.len() < 64, "{} is too long for the lookup", route.pattern);
        assert_eq!(route.pattern.ends_with('/'), !route.argument.is_empty(), "{}: argument", route.pattern);
        assert!(!route.operations.is_empty(), "{} does nothing", route.pattern);
    }
}

#[test]
fn parameters_of_an_operation_are_unique() {
    for route in all() {
        for operation in route.operations {
            let names: Vec<_> =
                operation.parameters.iter().copied().flatten().map(|parameter| parameter.name).collect();
            let unique: HashSet<_> = names.iter().collect();
            assert_eq!(names.len(), unique.len(), "{} {}", operation.method, route.pattern);
        }
    }
}

#[test]
fn the_longest_pattern_wins() {
    let cases = [
        ("/v1/kv/a", Some("/v1/kv/")),
        ("/v1/kv/", Some("/v1/kv/")),
        ("/v1/kv/v1/kv/session/list", Some("/v1/kv/")),
        ("/v1/acl/token", Some("/v1/acl/token")),
        ("/v1/acl/token/x", Some("/v1/acl/token/")),
        ("/v1/acl/token/self", Some("/v1/acl/token/self")),
        ("/v1/acl/token/self/", Some("/v1/acl/token/")),
        ("/v1/status/leader", Some("/v1/status/leader")),
        ("/v1/status/leader/", None),
        ("/v1/query/x/execute", Some("/v1/query/")),
        ("/v1/operator/usage", None),
        ("/v1/nope", None),
        ("/debug/pprof/heap", None),
        ("/", None),
        ("", None),
    ];
    for (path, expected) in cases {
        let found = routes().find(path.as_bytes()).map(|route| route.pattern);
        assert_eq!(found, expected, "{path}");
    }
}

#[test]
fn subtrees_are_found_without_their_slash() {
    let cases = [
        ("/v1/kv", true),
        ("/v1/kv/", false),
        ("/v1/peering", true),
        ("/v1/query", false),
        ("/v1/config", false),
        ("/v1/status/leader", false),
        ("/v1/nope", false),
        ("/v1/internal/ui/gateway-services-nodes", true),
        ("/v1/internal/federation-states/mesh-gateways", false),
    ];
    for (path, expected) in cases {
        assert_eq!(routes().is_subtree_without_slash(path.as_bytes()), expected, "{path}");
    }
}
