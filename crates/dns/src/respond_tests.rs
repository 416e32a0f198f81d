use super::*;
use crate::settings::Settings;
use crate::testing::settings;

fn routed(settings: Settings, name: &str, kind: Kind) -> Route {
    let live = Live::new(settings).expect("settings");
    route(&live, &Question { name: codec::Name::new(name), kind, class: 1 })
}

#[test]
fn routes() {
    let alone = settings;
    let with_recursor = || Settings { recursors: vec!["198.18.0.53".to_owned()], ..settings() };
    for (name, kind, without, with) in [
        ("x.service.CONSUL.", Kind::A, Route::Catalog(7), Route::Catalog(7)),
        ("consul.", Kind::A, Route::Catalog(7), Route::Catalog(7)),
        ("1.0.0.127.in-addr.ARPA.", Kind::PTR, Route::Reverse, Route::Reverse),
        ("arpa.", Kind::SOA, Route::Reverse, Route::Reverse),
        ("example.com.", Kind::A, Route::Nobody, Route::Recursors),
        (".", Kind::A, Route::Nobody, Route::Recursors),
        ("consul.service.", Kind::A, Route::Nobody, Route::Recursors),
        ("x.service.consul.", Kind::DS, Route::Catalog(7), Route::Recursors),
        ("1.in-addr.arpa.", Kind::DS, Route::Reverse, Route::Recursors),
    ] {
        assert_eq!(routed(alone(), name, kind), without, "{name} {kind}");
        assert_eq!(routed(with_recursor(), name, kind), with, "{name} {kind}");
    }
}

#[test]
fn the_root_as_domain_holds_every_name_but_reverse_ones() {
    let root = || Settings { domain: ".".to_owned(), ..settings() };
    assert_eq!(routed(root(), "x.service.", Kind::A), Route::Catalog(0));
    assert_eq!(routed(root(), "1.in-addr.arpa.", Kind::A), Route::Reverse);
}

#[test]
fn rejections_are_short() {
    let mut out = Vec::new();
    reject(7, 0x8bb4, None, &mut out).expect("written");
    assert_eq!(out, [0, 7, 0x8b, 0xb4, 0, 0, 0, 0, 0, 0, 0, 0]);
    let question = Question { name: codec::Name::new("a."), kind: Kind::A, class: 1 };
    reject(7, 0x8131, Some(&question), &mut out).expect("written");
    assert_eq!(out, [0, 7, 0x81, 0x31, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 0, 0, 1, 0, 1]);
}
