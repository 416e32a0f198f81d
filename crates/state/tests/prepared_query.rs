//! Prepared queries: what may be stored, and what a name stands for (`docs/spec/rpc-and-state.md` §7.6).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Log, query};
use state::ResolveError;
use types::PreparedQuery;

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
        (template("t", "g", "", "${1 + 1}"), "failed compiling template: Bad format '${1 + 1}' in Service.Service: "),
    ];
    for (refused, text) in cases {
        let mut log = Log::new();
        let said = log.refused(&query("create", refused));
        assert!(said.starts_with(text), "{said}");
        assert_eq!(log.store.snapshot().prepared_queries(), (0, vec![]));
    }
}
