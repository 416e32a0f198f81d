//! What is an expression but does not suit the type, and the reference's words for it.

use filter::{Fields, Filter};

const NODE: &[(&str, &str)] = &[
    ("Bogus == x", r#"Selector "Bogus" is not valid"#),
    ("NODE == x", r#"Selector "NODE" is not valid"#),
    ("Bogus.a.b == x", r#"Selector "Bogus" is not valid"#),
    ("Node.x.y == x", r#"Selector "Node.x" is not valid"#),
    ("Meta.x.y == x", r#"Selector "Meta.x.y" is not valid"#),
    (r#"Meta["x"].y == 1"#, r#"Selector "Meta.x.y" is not valid"#),
    ("Meta.x.y.z == x", r#"Selector "Meta.x.y" is not valid"#),
    (r#"Meta["a\nb\u0022"].c == 1"#, r#"Selector "Meta.a\nb\".c" is not valid"#),
    (r#"Meta[""].x == x"#, r#"Selector "Meta..x" is not valid"#),
    ("Node is empty", r#"Invalid match operator "Is Empty" for selector "Node""#),
    ("Node is not empty", r#"Invalid match operator "Is Not Empty" for selector "Node""#),
    ("Meta.k is empty", r#"Invalid match operator "Is Empty" for selector "Meta.k""#),
    ("Meta.k is not empty", r#"Invalid match operator "Is Not Empty" for selector "Meta.k""#),
    ("Meta == x", r#"Invalid match operator "Equal" for selector "Meta""#),
    ("Meta != x", r#"Invalid match operator "Not Equal" for selector "Meta""#),
    ("Meta matches x", r#"Invalid match operator "Matches" for selector "Meta""#),
    ("Meta not matches x", r#"Invalid match operator "Not Matches" for selector "Meta""#),
    ("Bogus == x and Node is empty", r#"Selector "Bogus" is not valid"#),
    ("Node is empty and Bogus == x", r#"Invalid match operator "Is Empty" for selector "Node""#),
    ("not Bogus == x", r#"Selector "Bogus" is not valid"#),
    ("Node == a or Bogus == x", r#"Selector "Bogus" is not valid"#),
    (
        r#"Node matches "(""#,
        r#"Failed to compile regular expression "(": error parsing regexp: missing closing ): `(`"#,
    ),
    (
        r#"Node matches "a\u0022(""#,
        r#"Failed to compile regular expression "a\"(": error parsing regexp: missing closing ): `a"(`"#,
    ),
    (
        r#"Node matches "(" and Bogus == x"#,
        r#"Failed to compile regular expression "(": error parsing regexp: missing closing ): `(`"#,
    ),
    (r#"Bogus matches "(""#, r#"Selector "Bogus" is not valid"#),
    (
        "Node not matches `[`",
        r#"Failed to compile regular expression "[": error parsing regexp: missing closing ]: `[`"#,
    ),
    (
        "Meta.k matches `*`",
        r#"Failed to compile regular expression "*": error parsing regexp: missing argument to repetition operator: `*`"#,
    ),
    ("CreateIndex == 1", r#"Selector "CreateIndex" is not valid"#),
    ("RaftIndex.CreateIndex == 1", r#"Selector "RaftIndex" is not valid"#),
    ("ServiceTags == x", r#"Selector "ServiceTags" is not valid"#),
];

const SERVICE_NODE: &[(&str, &str)] = &[
    ("Partition == x", r#"Selector "Partition" is not valid"#),
    ("ServicePartition == x", r#"Selector "ServicePartition" is not valid"#),
    ("ServiceCreateIndex == 1", r#"Selector "ServiceCreateIndex" is not valid"#),
    ("ServiceTags == a", r#"Invalid match operator "Equal" for selector "ServiceTags""#),
    ("ServiceTags != a", r#"Invalid match operator "Not Equal" for selector "ServiceTags""#),
    (r#"ServiceTags matches "(""#, r#"Invalid match operator "Matches" for selector "ServiceTags""#),
    ("ServiceTags.a == b", r#"Selector "ServiceTags.a" is not valid"#),
    (r#"ServiceTags["0"] == b"#, r#"Selector "ServiceTags.0" is not valid"#),
    ("ServicePort in x", r#"Selector "x" is not valid"#),
    ("80 in ServicePort", r#"Invalid match operator "In" for selector "ServicePort""#),
    ("80 not in ServicePort", r#"Invalid match operator "Not In" for selector "ServicePort""#),
    ("ServicePort contains x", r#"Invalid match operator "In" for selector "ServicePort""#),
    (r#"ServicePort matches "(""#, r#"Invalid match operator "Matches" for selector "ServicePort""#),
    ("ServicePort is empty", r#"Invalid match operator "Is Empty" for selector "ServicePort""#),
    ("ServicePort.x == 1", r#"Selector "ServicePort.x" is not valid"#),
    (
        "ServicePort == x",
        r#"Failed to coerce value "x" for selector "ServicePort": strconv.ParseInt: parsing "x": invalid syntax"#,
    ),
    (
        "ServicePort != x",
        r#"Failed to coerce value "x" for selector "ServicePort": strconv.ParseInt: parsing "x": invalid syntax"#,
    ),
    (
        "ServicePort == 80.0",
        r#"Failed to coerce value "80.0" for selector "ServicePort": strconv.ParseInt: parsing "80.0": invalid syntax"#,
    ),
    (
        r#"ServicePort == """#,
        r#"Failed to coerce value "" for selector "ServicePort": strconv.ParseInt: parsing "": invalid syntax"#,
    ),
    (
        r#"ServicePort == "9223372036854775808""#,
        r#"Failed to coerce value "9223372036854775808" for selector "ServicePort": strconv.ParseInt: parsing "9223372036854775808": value out of range"#,
    ),
    (
        r#"ServicePort == "é\n""#,
        r#"Failed to coerce value "é\n" for selector "ServicePort": strconv.ParseInt: parsing "é\n": invalid syntax"#,
    ),
    (
        "ServiceEnableTagOverride == maybe",
        r#"Failed to coerce value "maybe" for selector "ServiceEnableTagOverride": strconv.ParseBool: parsing "maybe": invalid syntax"#,
    ),
    (
        "ServiceEnableTagOverride == fALSE",
        r#"Failed to coerce value "fALSE" for selector "ServiceEnableTagOverride": strconv.ParseBool: parsing "fALSE": invalid syntax"#,
    ),
    (
        r#"ServiceEnableTagOverride matches "(""#,
        r#"Invalid match operator "Matches" for selector "ServiceEnableTagOverride""#,
    ),
    (
        "ServiceEnableTagOverride is empty",
        r#"Invalid match operator "Is Empty" for selector "ServiceEnableTagOverride""#,
    ),
    ("ServiceWeights == x", r#"Invalid match operator "Equal" for selector "ServiceWeights""#),
    ("ServiceWeights contains x", r#"Invalid match operator "In" for selector "ServiceWeights""#),
    ("ServiceWeights is empty", r#"Invalid match operator "Is Empty" for selector "ServiceWeights""#),
    (
        "ServiceWeights.Passing == x",
        r#"Failed to coerce value "x" for selector "ServiceWeights.Passing": strconv.ParseInt: parsing "x": invalid syntax"#,
    ),
    ("ServiceTaggedAddresses == x", r#"Invalid match operator "Equal" for selector "ServiceTaggedAddresses""#),
    ("ServiceTaggedAddresses.wan == x", r#"Invalid match operator "Equal" for selector "ServiceTaggedAddresses.wan""#),
    (
        "ServiceTaggedAddresses.wan is empty",
        r#"Invalid match operator "Is Empty" for selector "ServiceTaggedAddresses.wan""#,
    ),
    ("ServiceTaggedAddresses.wan.Bogus == x", r#"Selector "ServiceTaggedAddresses.wan.Bogus" is not valid"#),
    ("ServiceTaggedAddresses.wan.Port.x == x", r#"Selector "ServiceTaggedAddresses.wan.Port.x" is not valid"#),
    (
        "ServiceTaggedAddresses.wan.Port == x",
        r#"Failed to coerce value "x" for selector "ServiceTaggedAddresses.wan.Port": strconv.ParseInt: parsing "x": invalid syntax"#,
    ),
    ("ServiceProxy.MeshGateway == x", r#"Invalid match operator "Equal" for selector "ServiceProxy.MeshGateway""#),
    ("ServiceProxy.Expose.Finalized == x", r#"Selector "ServiceProxy.Expose.Finalized" is not valid"#),
    ("ServiceProxy.Config.x == 1", r#"Selector "ServiceProxy.Config" is not valid"#),
    ("ServiceProxy.Upstreams.Config is empty", r#"Selector "ServiceProxy.Upstreams.Config" is not valid"#),
    ("ServiceProxy.Upstreams.IngressHosts is empty", r#"Selector "ServiceProxy.Upstreams.IngressHosts" is not valid"#),
    (
        "ServiceProxy.Upstreams.CentrallyConfigured == true",
        r#"Selector "ServiceProxy.Upstreams.CentrallyConfigured" is not valid"#,
    ),
    ("ServiceProxy.Expose.Paths.Bogus == 1", r#"Selector "ServiceProxy.Expose.Paths.Bogus" is not valid"#),
    ("ServiceConnect.PeerMeta is empty", r#"Selector "ServiceConnect.PeerMeta" is not valid"#),
    ("ServiceConnect.SidecarService is empty", r#"Selector "ServiceConnect.SidecarService" is not valid"#),
];

const CHECK_SERVICE_NODE: &[(&str, &str)] = &[
    ("ServiceTags contains a", r#"Selector "ServiceTags" is not valid"#),
    ("Checks == x", r#"Invalid match operator "Equal" for selector "Checks""#),
    ("Checks contains x", r#"Invalid match operator "In" for selector "Checks""#),
    ("x in Checks", r#"Invalid match operator "In" for selector "Checks""#),
    ("Checks matches x", r#"Invalid match operator "Matches" for selector "Checks""#),
    ("Checks.Status is empty", r#"Invalid match operator "Is Empty" for selector "Checks.Status""#),
    ("Checks.Bogus == 1", r#"Selector "Checks.Bogus" is not valid"#),
    ("Checks.Definition is empty", r#"Selector "Checks.Definition" is not valid"#),
    (
        "Checks.ExposedPort == x",
        r#"Failed to coerce value "x" for selector "Checks.ExposedPort": strconv.ParseInt: parsing "x": invalid syntax"#,
    ),
    ("Node == x", r#"Invalid match operator "Equal" for selector "Node""#),
    ("Node is empty", r#"Invalid match operator "Is Empty" for selector "Node""#),
    ("Node.Node.x == y", r#"Selector "Node.Node.x" is not valid"#),
    ("Service.Proxy is empty", r#"Invalid match operator "Is Empty" for selector "Service.Proxy""#),
    ("Service.LocallyRegisteredAsSidecar == false", r#"Selector "Service.LocallyRegisteredAsSidecar" is not valid"#),
];

const HEALTH_CHECK: &[(&str, &str)] = &[
    ("Definition.HTTP == x", r#"Selector "Definition" is not valid"#),
    ("ServiceTags == a", r#"Invalid match operator "Equal" for selector "ServiceTags""#),
    (
        "ExposedPort == x",
        r#"Failed to coerce value "x" for selector "ExposedPort": strconv.ParseInt: parsing "x": invalid syntax"#,
    ),
    ("ModifyIndex == 1", r#"Selector "ModifyIndex" is not valid"#),
    ("Bogus == 1", r#"Selector "Bogus" is not valid"#),
];

const NODE_INFO: &[(&str, &str)] = &[
    ("Datacenter == x", r#"Selector "Datacenter" is not valid"#),
    ("Services == x", r#"Invalid match operator "Equal" for selector "Services""#),
    ("Services.Service is empty", r#"Invalid match operator "Is Empty" for selector "Services.Service""#),
    (
        "Services.Proxy.Upstreams.LocalBindPort == x",
        r#"Failed to coerce value "x" for selector "Services.Proxy.Upstreams.LocalBindPort": strconv.ParseInt: parsing "x": invalid syntax"#,
    ),
];

const NODE_SERVICE: &[(&str, &str)] = &[
    ("Proxy.Config.x == 1", r#"Selector "Proxy.Config" is not valid"#),
    ("EnterpriseMeta == x", r#"Selector "EnterpriseMeta" is not valid"#),
    ("ContentHash == x", r#"Selector "ContentHash" is not valid"#),
    ("Port == x", r#"Failed to coerce value "x" for selector "Port": strconv.ParseInt: parsing "x": invalid syntax"#),
    ("Weights is empty", r#"Invalid match operator "Is Empty" for selector "Weights""#),
    ("Proxy.Upstreams contains x", r#"Invalid match operator "In" for selector "Proxy.Upstreams""#),
];

fn check<T: Fields>(table: &[(&str, &str)]) {
    for (text, message) in table {
        let error = Filter::<T>::new(text).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(*message), "{text}");
    }
}

#[test]
fn on_nodes() {
    check::<types::Node>(NODE);
}

#[test]
fn on_service_nodes() {
    check::<types::ServiceNode>(SERVICE_NODE);
}

#[test]
fn on_check_service_nodes() {
    check::<types::CheckServiceNode>(CHECK_SERVICE_NODE);
}

#[test]
fn on_health_checks() {
    check::<types::HealthCheck>(HEALTH_CHECK);
}

#[test]
fn on_node_infos() {
    check::<filter::NodeInfo>(NODE_INFO);
}

#[test]
fn on_node_services() {
    check::<types::NodeService>(NODE_SERVICE);
}
