use super::evaluate;
use crate::environment::{Environment, InterfaceAddress, InterfaceFlags};

fn interface(name: &str, address: &str, prefix_bits: u8) -> InterfaceAddress {
    let loopback = name == "lo";
    let flags = InterfaceFlags {
        up: name != "eth9",
        broadcast: !loopback,
        loopback,
        point_to_point: false,
        multicast: !loopback,
    };
    InterfaceAddress { name: name.to_owned(), address: address.parse().unwrap(), prefix_bits, flags }
}

fn machine() -> Environment {
    Environment {
        hostname: Ok("host".to_owned()),
        interfaces: vec![
            interface("lo", "127.0.0.1", 8),
            interface("lo", "::1", 128),
            interface("eth0", "10.1.2.3", 24),
            interface("eth0", "fe80::1", 64),
            interface("eth1", "192.168.7.9", 16),
            interface("eth1", "8.8.4.4", 24),
            interface("eth9", "172.16.0.5", 12),
        ],
        default_interface: Some("eth0".to_owned()),
        max_open_files: None,
        variables: Default::default(),
        working_dir: Default::default(),
        host_uuid: None,
    }
}

#[test]
fn templates_evaluate() {
    let table = [
        ("10.0.0.1", "10.0.0.1"),
        ("{{ GetPrivateIP }}", "10.1.2.3"),
        ("{{GetPrivateIPs}} 127.0.0.1", "10.1.2.3 192.168.7.9 127.0.0.1"),
        ("{{ GetPublicIP }}", "8.8.4.4"),
        ("{{ GetInterfaceIP \"eth1\" }}", "192.168.7.9"),
        ("{{ GetInterfaceIP \"eth7\" }}", ""),
        ("{{ GetInterfaceIPs `eth[01]` }}", "192.168.7.9 10.1.2.3 8.8.4.4 fe80::1"),
        ("{{ GetPrivateInterfaces | include \"network\" \"192.168.0.0/16\" | attr \"address\" }}", "192.168.7.9"),
        (
            "{{ GetAllInterfaces | include \"name\" \"^eth\" | include \"flags\" \"forwardable|up\" | exclude \"rfc\" \"1918\" | join \"address\" \",\" }}",
            "8.8.4.4",
        ),
        (
            "{{ GetAllInterfaces | include \"type\" \"ipv6\" | sort \"-address\" | join \"address\" \" \" }}",
            "fe80::1 ::1",
        ),
        (
            "{{ GetAllInterfaces | include \"type\" \"ipv4\" | sort \"-size,address\" | limit 2 | join \"string\" \" \" }}",
            "8.8.4.4/24 10.1.2.3/24",
        ),
        ("{{ GetAllInterfaces | offset -1 | attr \"name\" }}", "eth9"),
        ("{{ GetAllInterfaces | unique \"name\" | join \"name\" \" \" }}", "lo eth0 eth1 eth9"),
        ("{{ GetDefaultInterfaces | limit 1 | attr \"network\" }}", "10.1.2.0/24"),
        ("{{ GetDefaultInterfaces | limit 1 | math \"network\" \"+5\" | attr \"address\" }}", "10.1.2.5"),
        ("{{ GetDefaultInterfaces | limit 1 | math \"network\" \"-2\" | attr \"address\" }}", "10.1.2.254"),
        ("{{ GetDefaultInterfaces | limit 1 | math \"address\" \"-3\" | attr \"address\" }}", "10.1.2.0"),
        ("{{ Attr \"netmask\" (GetDefaultInterfaces | include \"type\" \"ipv4\") }}", "255.255.255.0"),
        ("{{- /* a comment */ -}} {{ \"1.2.3.4\" }}", "1.2.3.4"),
        ("{{ GetAllInterfaces | include \"name\" \"eth5\" | attr \"address\" }}", ""),
    ];
    for (template, expected) in table {
        assert_eq!(evaluate(template, &machine()).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn faults_have_the_references_words() {
    let parse = |cause: &str| format!("template: sockaddr.Parse:1: {cause}");
    let exec = |column: usize, at: &str, cause: &str| {
        format!("template: sockaddr.Parse:1:{column}: executing \"sockaddr.Parse\" at <{at}>: {cause}")
    };
    let table = [
        ("{{ x }}", parse("function \"x\" not defined")),
        ("{{ GetPrivateIP", parse("unclosed action")),
        ("{{ GetInterfaceIP }}", exec(3, "GetInterfaceIP", "wrong number of args for GetInterfaceIP: want 1 got 0")),
        (
            "{{ GetInterfaceIP \"(\" }}",
            exec(
                3,
                "GetInterfaceIP \"(\"",
                "error calling GetInterfaceIP: Unable to compile name regexp \"(\": error parsing regexp: missing closing ): `(`",
            ),
        ),
        (
            "{{ GetAllInterfaces | include \"foo\" \"x\" }}",
            exec(22, "include \"foo\" \"x\"", "error calling include: invalid include selector \"foo\""),
        ),
        (
            "{{ GetAllInterfaces | attr \"foo\" }}",
            exec(22, "attr \"foo\"", "error calling attr: unsupported attribute name \"foo\""),
        ),
        ("{{ GetAllInterfaces | limit \"a\" }}", exec(28, "\"a\"", "expected unsigned integer; found \"a\"")),
        (
            "{{ GetAllInterfaces | sort \"foo\" }}",
            exec(22, "sort \"foo\"", "error calling sort: unknown sort type: \"foo\""),
        ),
        ("{{ if true }}x{{ end }}", parse("action \"if\" is not supported in addresses")),
    ];
    for (template, expected) in table {
        let error = evaluate(template, &machine()).unwrap_err();
        assert!(error.ends_with(&expected), "{template}: {error}");
    }
}
