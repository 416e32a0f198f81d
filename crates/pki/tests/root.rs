//! Roots that are made, and roots that are read.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use pki::{Certificate, KeyKind, PkiError, PrivateKey, RootRequest};
use wire::GoTime;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Made by a Consul 1.14 server, whose API said of it what the test expects.
const RECORDED_ROOT: &str = include_str!("fixtures/recorded-root.pem");
/// The same key twice.
const EC_SEC1: &str = include_str!("fixtures/ec-sec1.pem");
const EC_PKCS8: &str = include_str!("fixtures/ec-pkcs8.pem");
const RSA_PKCS1: &str = include_str!("fixtures/rsa-pkcs1.pem");

const CLUSTER_ID: &str = "7F42f496-fbc7-8692-05ed-334aa5340c1e";
const TEN_YEARS: Duration = Duration::from_secs(87_600 * 3600);

fn request() -> RootRequest<'static> {
    RootRequest {
        cluster_id: CLUSTER_ID,
        serial_number: 300,
        random: -36,
        not_before: GoTime::from_unix(1_669_048_408, 999),
        ttl: TEN_YEARS,
    }
}

#[test]
fn a_root_reads_back_as_asked_for() {
    let key = PrivateKey::generate(KeyKind::DEFAULT).unwrap();
    let pem = request().sign(&key).unwrap();
    assert!(pem.ends_with("-----END CERTIFICATE-----\n"));
    let root = Certificate::from_pem(&pem).unwrap();
    assert_eq!((root.serial_number, root.key, root.is_authority), (300, KeyKind::Ec(256), true));
    assert_eq!(root.not_before.to_rfc3339().unwrap(), "2022-11-21T16:33:28Z");
    assert_eq!(root.not_after.to_rfc3339().unwrap(), "2032-11-18T16:33:28Z");
}

#[test]
fn a_root_has_the_names_usages_and_key_ids_of_the_chapter() {
    let key = PrivateKey::generate(KeyKind::DEFAULT).unwrap();
    let block = pem::parse(request().sign(&key).unwrap()).unwrap();
    let (_, root) = X509Certificate::from_der(block.contents()).unwrap();
    for name in [root.subject(), root.issuer()] {
        assert_eq!(name.to_string(), "CN=pri-10.consul.ca.7F42f496.consul");
    }
    let mut seen = Vec::new();
    for extension in root.extensions() {
        let text = match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) => {
                format!("authority {} {:?}", constraints.ca, constraints.path_len_constraint)
            }
            ParsedExtension::KeyUsage(usage) => format!("usage {usage}"),
            ParsedExtension::SubjectKeyIdentifier(id) => format!("subject key {}", id.0 == key.key_id()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                format!("authority key {}", id.key_identifier.as_ref().is_some_and(|id| id.0 == key.key_id()))
            }
            ParsedExtension::SubjectAlternativeName(names) => match names.general_names.as_slice() {
                [GeneralName::URI(uri)] => format!("name {uri}"),
                other => format!("names {other:?}"),
            },
            other => format!("{other:?}"),
        };
        seen.push((text, extension.critical));
    }
    seen.sort();
    let expected = [
        ("authority key true", false),
        ("authority true None", true),
        ("name spiffe://7f42f496-fbc7-8692-05ed-334aa5340c1e.consul", false),
        ("subject key true", false),
        ("usage Digital Signature, Key Cert Sign, CRL Sign", true),
    ];
    assert_eq!(seen, expected.map(|(text, critical)| (text.to_owned(), critical)));
}

#[test]
fn a_recorded_root_reads_as_its_server_said() {
    let root = Certificate::from_pem(RECORDED_ROOT).unwrap();
    assert_eq!(root.id, "29:ff:f5:92:a3:82:9b:bc:22:e3:95:34:43:d7:ea:14:ca:44:96:2c");
    let key = "f0:45:db:9e:c8:51:bf:12:af:be:3b:6d:d4:29:3a:7f:51:81:c5:06:37:fc:04:9b:9e:8f:06:a7:b9:83:7a:6a";
    assert_eq!(root.subject_key_id, key);
    assert_eq!((root.serial_number, root.key), (7, KeyKind::Ec(256)));
    assert_eq!(root.not_before.to_rfc3339().unwrap(), "2026-11-25T14:49:54Z");
    assert_eq!(root.not_after.to_rfc3339().unwrap(), "2036-11-22T14:49:54Z");
}

#[test]
fn a_key_of_any_form_signs_a_root() {
    for (pem, kind) in [(EC_SEC1, KeyKind::Ec(256)), (EC_PKCS8, KeyKind::Ec(256)), (RSA_PKCS1, KeyKind::Rsa(2048))] {
        let key = PrivateKey::from_pem(pem).unwrap();
        let root = Certificate::from_pem(&request().sign(&key).unwrap()).unwrap();
        assert_eq!((key.kind(), root.key), (kind, kind));
    }
}

#[test]
fn a_key_is_written_in_the_form_of_its_algorithm() {
    let written = |pem| PrivateKey::from_pem(pem).unwrap().to_pem().unwrap();
    assert_eq!(written(EC_SEC1), EC_SEC1);
    assert_eq!(written(EC_PKCS8), EC_SEC1);
    assert_eq!(written(RSA_PKCS1), RSA_PKCS1);
}

#[test]
fn what_a_certificate_cannot_hold_is_refused() {
    let key = PrivateKey::generate(KeyKind::DEFAULT).unwrap();
    for request in [RootRequest { ttl: Duration::MAX, ..request() }, RootRequest { cluster_id: "é_*", ..request() }] {
        assert!(matches!(request.sign(&key), Err(PkiError::CannotSign(_))));
    }
}
