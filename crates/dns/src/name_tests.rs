use super::*;

fn at(datacenter: &str, peer: &str) -> Place {
    Place { datacenter: datacenter.to_owned(), peer: peer.to_owned() }
}

fn node(name: &str, place: Place) -> Option<Lookup> {
    Some(Lookup::Node { name: name.to_owned(), place })
}

fn service(service: &str, tag: &str, place: Place) -> Option<Lookup> {
    let tag = Some(tag.to_owned()).filter(|tag| !tag.is_empty());
    Some(Lookup::Service { service: service.to_owned(), tag, place })
}

fn virtual_ip(service: &str, peer: &str) -> Option<Lookup> {
    Some(Lookup::Virtual { service: service.to_owned(), peer: peer.to_owned() })
}

fn query(name: &str, datacenter: &str) -> Option<Lookup> {
    Some(Lookup::Query { name: name.to_owned(), place: at(datacenter, "") })
}

#[test]
fn forms_of_names() {
    let here = || at("", "");
    for (name, want) in [
        ("foo.node", node("foo", here())),
        ("foo.bar.node", node("foo.bar", here())),
        ("service.node", node("service", here())),
        ("foo.node.dc1", node("foo", at("dc1", ""))),
        ("foo.node.dc1.dc", node("foo", at("dc1", ""))),
        ("foo.node.p.peer", node("foo", at("", "p"))),
        ("foo.node.dc1.dc.dc2.dc", node("foo", at("dc2", ""))),
        ("foo.node.a.peer.b.peer", node("foo", at("", "b"))),
        ("foo.node.dc1.extra", None),
        ("foo.node.a.peer.b.dc", None),
        ("foo.node.a.b.dc", None),
        ("foo.node.default.ap", None),
        ("foo.node.a.dc.b.dc.c.dc", None),
        ("node", None),
        ("", None),
        ("nonexisting", None),
        ("db.service", service("db", "", here())),
        ("primary.db.service", service("db", "primary", here())),
        ("v1.2.db.service.dc1", service("db", "v1.2", at("dc1", ""))),
        ("db.node.service", service("node", "db", here())),
        ("_db._tcp.service", service("db", "", here())),
        ("_db._.service", service("db", "", here())),
        ("_db._udp.service", service("db", "udp", here())),
        ("_db._primary.service.dc1", service("db", "primary", at("dc1", ""))),
        ("_._tcp.service", service("", "", here())),
        ("_db.service", service("_db", "", here())),
        ("_db.tcp.service", service("tcp", "_db", here())),
        ("_a._b._c.service", service("_c", "_a._b", here())),
        ("_db._tcp", None),
        ("service", None),
        ("bad\\ name.service", service("bad\\ name", "", here())),
        ("a\\.b.db.service", service("db", "a\\.b", here())),
        ("v1.api.connect.dc1", Some(Lookup::Connect { service: "api".to_owned(), place: at("dc1", "") })),
        ("api.connect.p.peer", Some(Lookup::Connect { service: "api".to_owned(), place: here() })),
        ("api.ingress", Some(Lookup::Ingress { service: "api".to_owned(), place: here() })),
        ("x.api.virtual", virtual_ip("api", "")),
        ("api.virtual.frontend", virtual_ip("api", "frontend")),
        ("api.virtual.dc1.dc", virtual_ip("api", "")),
        ("api.virtual.p.peer", virtual_ip("api", "p")),
        ("api.virtual.p.peer.dc1.dc", None),
        ("some.query.we.like.query", query("some.query.we.like", "")),
        ("my.query.dc2", query("my", "dc2")),
        ("_q._tcp.query", query("_q._tcp", "")),
        ("my.query.dc2.dc", None),
        ("7f000001.addr", Some(Lookup::Addr { digits: "7f000001".to_owned() })),
        ("7f000001.addr.what.ever.dc7", Some(Lookup::Addr { digits: "7f000001".to_owned() })),
        ("x.7f000001.addr", None),
        ("addr", None),
    ] {
        assert_eq!(parse(name, Kind::A).ok(), want, "{name}");
    }
}

#[test]
fn underscores_stand_for_service_in_srv_questions() {
    for (name, want) in [
        ("_db._tcp", service("db", "", at("", ""))),
        ("_db._primary", service("db", "primary", at("", ""))),
        ("_db._primary.dc1", service("db", "primary", at("dc1", ""))),
        ("_db._tcp.p.peer", service("db", "", at("", "p"))),
        ("_db", service("_db", "", at("", ""))),
        ("_db._tcp.service", service("db", "", at("", ""))),
        ("db", None),
    ] {
        assert_eq!(parse(name, Kind::SRV).ok(), want, "{name}");
    }
}
