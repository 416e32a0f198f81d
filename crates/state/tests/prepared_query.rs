//! Prepared queries: what may be stored, and what a name stands for (`docs/spec/rpc-and-state.md` §7.6).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Log, query};
use state::ResolveError;
use types::PreparedQuery;
use types::prepared_query::QueryFailoverTarget;

const UUID: &str = "11111111-2222-3333-4444-555555555555";

fn stored(id: &str, name: &str) -> PreparedQuery {
    PreparedQuery { id: id.into(), name: name.into(), ..PreparedQuery::default() }
}

fn template(id: &str, name: &str, regexp: &str, service: &str) -> PreparedQuery {
    let mut query = stored(id, name);
    query.template.r#type = "name_prefix_match".into();
    query.template.regexp = regexp.into();
    query.service.service = service.into();
    query
}

#[test]
fn names_and_ids_must_not_be_confused() {
    let mut log = Log::new();
    log.ok(&query("create", stored(UUID, "Geo")));
    log.ok(&query("create", template("t", "", "", "x")));
    let mut unbound = stored("q2", "");
    unbound.session = "none".into();
    let cases = [
        (stored("", "x"), "Missing Query ID"),
        (stored("q2", "geo"), "name 'geo' aliases an existing query name"),
        (stored("q2", UUID), "name '11111111-2222-3333-4444-555555555555' aliases an existing query ID"),
        (template("q2", "", "", "x"), "a query template with an empty name already exists"),
        (unbound, "invalid session \"none\""),
    ];
    for (refused, text) in cases {
        assert_eq!(log.refused(&query("create", refused)), text);
    }
    log.ok(&query("update", stored(UUID, "geo")));
    let (index, found) = log.store.snapshot().prepared_query(UUID);
    let found = found.unwrap();
    assert_eq!((index, found.create_index, found.modify_index), (8, 1, 8));
}

#[test]
fn an_updated_name_frees_the_old_one() {
    let mut log = Log::new();
    log.ok(&query("create", stored("q1", "old")));
    log.ok(&query("update", stored("q1", "new")));
    let snapshot = log.store.snapshot();
    assert_eq!(snapshot.resolve_query("old", ""), Err(ResolveError::NotFound));
    assert_eq!(snapshot.resolve_query("NEW", "").unwrap().id, "q1");
    log.ok(&query("delete", stored("q1", "")));
    assert_eq!(log.store.snapshot().resolve_query("new", ""), Err(ResolveError::NotFound));
}

#[test]
fn resolution_prefers_the_id_then_the_name_then_the_longest_prefix() {
    let mut log = Log::new();
    log.ok(&query("create", stored(UUID, "plain")));
    log.ok(&query("create", template("t0", "", "", "catch-all")));
    log.ok(&query("create", template("t1", "geo-", "", "geo")));
    log.ok(&query("create", template("t2", "Geo-db-", "", "db")));
    let snapshot = log.store.snapshot();
    for (asked, id) in [(UUID, UUID), ("PLAIN", UUID), ("geo-x", "t1"), ("GEO-DB-x", "t2"), ("zzz", "t0"), ("", "t0")] {
        assert_eq!(snapshot.resolve_query(asked, "").unwrap().id, id, "{asked}");
    }
}

#[test]
fn a_template_cannot_be_asked_for_by_id() {
    let mut log = Log::new();
    log.ok(&query("create", template(UUID, "geo-", "", "x")));
    let refused = log.store.snapshot().resolve_query(UUID, "").unwrap_err();
    assert_eq!(refused.to_string(), "prepared query templates can only be resolved up by name, not by ID");
}

#[test]
fn templates_are_filled_in_from_the_name() {
    let cases = [
        ("${name.full}", "geo-db-Main"),
        ("${name.prefix}|${name.suffix}", "geo-|db-Main"),
        ("${match(1)}.${match(2)}", "db.Main"),
        ("${match(0)}${match(7)}", "geo-db-Main"),
        ("${ match( \"1\" ) }", "db"),
        ("${agent.segment}-$${name.full}", "seg-${name.full}"),
        ("plain $ {text}", "plain $ {text}"),
        ("$$|a$$b|$$$|$$${name.suffix}|$", "$|a$b|$$|$db-Main|$"),
        ("${1 + 2 * 3}|${10 / 4}|${10 / 4.0}|${-5 % 3}|${1.0 / 0}|${- 1 + 5}", "7|2|2.5|-2|+Inf|4"),
        ("${match(1) == \"db\" ? \"yes\" : name.full}|${false ? 1 : 2.5}", "yes|2"),
        ("${!true == false}|${1 == 1.0 && \"1\" == 1}|${true || false && false}", "true|true|true"),
        ("${\"a${\"b${1}\"}c\"}|${\"\\\"\\n\\\\\"}|${\"$${x}\"}", "ab1c|\"\n\\|${x}"),
        ("${match(1.5)}|${match(-1)}|${match(match(0) == \"\" ? 1 : 2)}", "db||Main"),
        ("${match(1,)}${\n 1 }${01}", "db11"),
    ];
    for (text, filled) in cases {
        let mut log = Log::new();
        log.ok(&query("create", template("t", "geo-", "^geo-(.*?)-(.*)$", text)));
        let rendered = log.store.snapshot().resolve_query("geo-db-Main", "seg").unwrap();
        assert_eq!(rendered.service.service, filled, "{text}");
    }
}

#[test]
fn tags_rendered_empty_can_be_removed() {
    let mut log = Log::new();
    let mut with_tags = template("t", "geo-", "^geo-(a?)", "x");
    with_tags.service.tags = vec!["${match(1)}".into(), "keep".into()];
    with_tags.template.remove_empty_tags = true;
    log.ok(&query("create", with_tags));
    let tags = |name| log.store.snapshot().resolve_query(name, "").unwrap().service.tags.clone();
    assert_eq!(tags("geo-a"), ["a", "keep"]);
    assert_eq!(tags("geo-b"), ["keep"]);
}

#[test]
fn a_template_that_cannot_work_is_refused() {
    let mut bad_type = template("t", "geo-", "", "x");
    bad_type.template.r#type = "nope".into();
    let cases = [
        (bad_type, "failed compiling template: Bad Template.Type 'nope'"),
        (template("t", "g", "(", "x"), "failed compiling template: Bad Regexp: error parsing regexp: "),
        (
            template("t", "g", "", "${nope}"),
            "failed compiling template: Bad evaluation for '${nope}' in Service.Service: 1:3: unknown variable \
             accessed: nope",
        ),
        (
            template("t", "g", "", "${match(1}"),
            "failed compiling template: Bad format '${match(1}' in Service.Service: parse error at 1:10: ",
        ),
    ];
    for (refused, text) in cases {
        let mut log = Log::new();
        let said = log.refused(&query("create", refused));
        assert!(said.starts_with(text), "{said}");
        assert_eq!(log.store.snapshot().prepared_queries(), (0, vec![]));
    }
}

#[test]
fn a_text_that_cannot_be_read_is_refused_at_its_place() {
    let deep = format!("${{{}1", "(".repeat(100_000));
    let cases = [
        ("${match(1}", r#"1:10: expected ")" but found "}""#),
        ("${match(1)", r#"1:11: expected "}" but found end of string"#),
        ("${", "1:3: expected expression but found end of string"),
        ("line\n${x", r#"2:4: expected "}" but found end of string"#),
        ("é é ${1", r#"1:8: expected "}" but found end of string"#),
        ("${nope} ${1 ?}", r#"1:14: expected expression but found "}""#),
        ("${true ? 1}", r#"1:11: expected : but found "}""#),
        ("${\"a", r#"1:4: expected "${" but found invalid sequence "a""#),
        ("${\"${1}", r#"1:8: expected "${" but found invalid sequence """#),
        ("${\"ab\\t\"}", "1:6: invalid backslash escape sequence"),
        ("${\"a\" \"b\"}", r#"1:7: expected "}" but found opening quote"#),
        ("${1 1}", r#"1:5: expected "}" but found integer 1"#),
        ("${1 2.5}", r#"1:5: expected "}" but found float 2.5"#),
        ("${1 && && 2}", "1:8: expected expression but found &&"),
        ("${1 == ==}", r#"1:8: expected expression but found "==""#),
        ("${a & b}", r#"1:5: expected "}" but found invalid sequence "&""#),
        ("${name.full[0}", r#"1:14: expected "]" but found "}""#),
        ("${name.**}", r#"1:10: expected expression but found "}""#),
        (
            "${9223372036854775808}",
            "1:3: invalid integer: strconv.Atoi: parsing \"9223372036854775808\": value out of range",
        ),
        (deep.as_str(), "1:67: expression nests too deeply"),
    ];
    for (text, place) in cases {
        let said = Log::new().refused(&query("create", template("t", "g", "", text)));
        let refused = format!("Bad format '{text}' in Service.Service: parse error at {place}");
        assert_eq!(said, format!("failed compiling template: {refused}"), "{text}");
    }
}

#[test]
fn an_expression_that_cannot_be_evaluated_is_refused() {
    let cases = [
        ("a ${nope} b", "1:5: unknown variable accessed: nope"),
        ("${1/0 + nope}", "1:9: unknown variable accessed: nope"),
        ("${foo(nope)}", "1:7: unknown variable accessed: nope"),
        ("${foo(1)}", "1:3: unknown function called: foo"),
        ("${match()}", "1:3: match: expected 1 arguments, got 0"),
        ("${match(1,2)}", "1:3: match: expected 1 arguments, got 2"),
        ("${match(true)}", "At column 3, line 1: match: argument 1 should be type int, got type bool"),
        ("${match(\"x\")}", "__builtin_StringToInt: strconv.ParseInt: parsing \"x\": invalid syntax"),
        ("${name.full[0]}", "At column 12, line 1: invalid index operation into non-indexable type: TypeString"),
        ("${2 * (1 + true)}", "At column 8, line 1: operand 2 should be TypeInt, got TypeBool"),
        ("${-true}", "At column 3, line 1: operand 2 should be TypeInt, got TypeBool"),
        ("${!1}", "At column 3, line 1: operand 2 should be TypeBool, got TypeInt"),
        ("${1 < 2 < 3}", "At column 3, line 1: operand 1 should be TypeInt, got TypeBool"),
        ("${1.5 % 1}", "At column 3, line 1: modulo cannot be used with floats"),
        ("${1 && true}", "At column 3, line 1: logical operators require boolean operands, not TypeInt"),
        ("${1 ? 1 : 2}", "At column 3, line 1: condition must be type bool, not type int"),
        (
            "${true ? 1 : true}",
            "At column 3, line 1: true and false expression types must match; have type int and type bool",
        ),
        ("${true ? 1 : 1/0}", "__builtin_IntMath: divide by zero"),
        ("${1.5 * \"x\"}", "__builtin_StringToFloat: strconv.ParseFloat: parsing \"x\": invalid syntax"),
        ("${!\"x\"}", "__builtin_StringToBool: strconv.ParseBool: parsing \"x\": invalid syntax"),
    ];
    for (text, why) in cases {
        let said = Log::new().refused(&query("create", template("t", "g", "", text)));
        assert_eq!(
            said,
            format!("failed compiling template: Bad evaluation for '{text}' in Service.Service: {why}"),
            "{text}"
        );
    }
}

#[test]
fn every_string_of_the_service_is_filled_in_but_no_key() {
    let mut log = Log::new();
    let mut full = template("t", "geo-", "", "x");
    let filled = "${name.suffix}";
    full.service.failover.datacenters = vec![filled.into()];
    full.service.ignore_check_ids = vec![filled.into()];
    full.service.near = filled.into();
    full.service.tags = vec![filled.into()];
    full.service.service_meta = [(filled.to_owned(), filled.to_owned())].into();
    full.service.peer = filled.into();
    log.ok(&query("create", full));
    let rendered = log.store.snapshot().resolve_query("geo-a", "").unwrap();
    let service = &rendered.service;
    assert_eq!((service.near.as_str(), service.peer.as_str()), ("a", "a"));
    assert_eq!([&service.failover.datacenters, &service.ignore_check_ids, &service.tags], [&["a"]; 3]);
    assert_eq!(service.service_meta.get(filled).map(String::as_str), Some("a"));
}

#[test]
fn a_fault_names_its_place() {
    let bad = || "${nope}".to_owned();
    type Change = fn(&mut PreparedQuery, String);
    let cases: [(Change, &str); 8] = [
        (|q, bad| q.service.failover.datacenters = vec!["a".into(), bad], "Failover.Datacenters[1]"),
        (
            |q, bad| q.service.failover.targets = vec![QueryFailoverTarget { peer: bad, ..Default::default() }],
            "Failover.Targets[0].Peer",
        ),
        (|q, bad| q.service.ignore_check_ids = vec![bad], "IgnoreCheckIDs[0]"),
        (|q, bad| q.service.near = bad, "Near"),
        (|q, bad| q.service.tags = vec!["x".into(), bad], "Tags[1]"),
        (|q, bad| q.service.node_meta = [("k".to_owned(), bad)].into(), "NodeMeta[k]"),
        (|q, bad| q.service.service_meta = [("k".to_owned(), bad)].into(), "ServiceMeta[k]"),
        (|q, bad| q.service.peer = bad, "Peer"),
    ];
    for (change, place) in cases {
        let mut refused = template("t", "g", "", "x");
        change(&mut refused, bad());
        let said = Log::new().refused(&query("create", refused));
        assert!(said.contains(&format!("for '${{nope}}' in Service.{place}: 1:3: unknown variable")), "{said}");
    }
}
