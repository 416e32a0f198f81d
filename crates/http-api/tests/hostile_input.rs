//! Whatever a client sends can make a request fail, never the process: the entry points of the fuzz target, on inputs
//! that look like requests.

use http_api::fuzzing;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn paths_and_queries(path in "/(v1/(kv|acl/token|query)/)?([a-z./% \u{a0}é+]|%[0-9A-F]{2}|//){0,12}", query in "(([a-z-]{1,9}|index|wait|max_stale|node-meta)(=([0-9a-zé:+]|%[0-9a-fA-Fg]{2}|;){0,6})?&?){0,5}") {
        fuzzing::target(&path, &query);
    }

    #[test]
    fn arbitrary_text(path in any::<String>(), query in any::<String>()) {
        fuzzing::target(&path, &query);
    }

    #[test]
    fn bodies(body in r#"[\[\]{}:,"0-9.eE+-]{0,8}((KV|Node|Service|Check|Value|Verb|null|true|"|\\u00e9|[\[\]{}:,]){0,10})"#) {
        fuzzing::txn_body(body.as_bytes());
        fuzzing::register_body(body.as_bytes());
    }

    #[test]
    fn arbitrary_bodies(body in any::<Vec<u8>>()) {
        fuzzing::txn_body(&body);
        fuzzing::register_body(&body);
    }
}
