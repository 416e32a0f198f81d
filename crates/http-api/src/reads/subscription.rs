//! What differs when the reference answers a read of health from a subscription (`docs/spec/http-api.md` §1.7).

use std::collections::BTreeMap;

use types::{CheckServiceNode, QueryOptions};

use super::is_cached;
use crate::pipeline::Call;
use crate::reply::Failure;

/// What a subscription makes of instances: its own rules of choosing, and its order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    tags: Vec<String>,
    node_meta: BTreeMap<String, String>,
}

impl Subscription {
    /// The subscription a read is answered from: one that waits or may be cached, unless it has to be sorted by distance
    /// or merged with central configuration.
    ///
    /// # Errors
    /// Metadata of nodes whose name a filter expression could not spell.
    pub(crate) fn of(call: &Call, options: &QueryOptions) -> Result<Option<Subscription>, Failure> {
        let wanted = options.min_index > 0 || is_cached(call);
        let possible = call.query.bytes("near").is_empty() && !call.query.has("merge-central-config");
        if !call.door.settings.use_streaming_backend || !wanted || !possible {
            return Ok(None);
        }
        let node_meta = call.query.node_meta();
        if let Some(key) = node_meta.keys().find(|key| !is_identifier(key)) {
            let text = format!("node-meta key {key:?} must be letters, digits and _ after a letter in a streamed read");
            return Err(Failure::internal(text));
        }
        Ok(Some(Subscription { tags: call.query.texts("tag"), node_meta }))
    }

    /// Leaves the instances with all tags, also in the mesh, whose nodes have values that contain those asked for; sorts
    /// them by node and ID.
    pub(crate) fn apply(&self, instances: &mut Vec<CheckServiceNode>) {
        instances.retain(|instance| {
            let tags = &instance.service.tags;
            let has_tag = |wanted: &String| tags.iter().any(|tag| tag.to_lowercase() == wanted.to_lowercase());
            let has_meta =
                |(key, part): (&String, &String)| instance.node.meta.get(key).is_some_and(|value| value.contains(part));
            self.tags.iter().all(has_tag) && self.node_meta.iter().all(has_meta)
        });
        instances.sort_by(|a, b| (&a.node.node, &a.service.id).cmp(&(&b.node.node, &b.service.id)));
    }
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use types::{Node, NodeService};

    use super::*;

    fn instance(node: &str, id: &str, tags: &[&str], rack: &str) -> CheckServiceNode {
        let meta = [("rack".to_owned(), rack.to_owned())].into();
        let node = Node { node: node.to_owned(), meta, ..Node::default() };
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let service = NodeService { id: id.to_owned(), tags, ..NodeService::default() };
        CheckServiceNode { node: Arc::new(node), service: Arc::new(service), checks: Vec::new() }
    }

    fn ids(subscription: &Subscription) -> Vec<String> {
        let mut instances = vec![
            instance("b", "b1", &["v1"], "r2"),
            instance("a", "a2", &["V1", "main"], "r1"),
            instance("a", "a1", &[], "r11"),
        ];
        subscription.apply(&mut instances);
        instances.iter().map(|instance| instance.service.id.clone()).collect()
    }

    #[test]
    fn instances_are_chosen_and_sorted() {
        let of = |tags: &[&str], meta: &[(&str, &str)]| Subscription {
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            node_meta: meta.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        let cases = [
            (of(&[], &[]), vec!["a1", "a2", "b1"]),
            (of(&["v1"], &[]), vec!["a2", "b1"]),
            (of(&["V1", "MAIN"], &[]), vec!["a2"]),
            (of(&[], &[("rack", "r1")]), vec!["a1", "a2"]),
            (of(&[], &[("rack", "")]), vec!["a1", "a2", "b1"]),
            (of(&[], &[("row", "")]), vec![]),
        ];
        for (subscription, expected) in cases {
            assert_eq!(ids(&subscription), expected, "{subscription:?}");
        }
    }

    #[test]
    fn only_what_a_filter_could_spell_is_a_key() {
        for (key, expected) in
            [("rack", true), ("a_1", true), ("bad-key", false), ("1a", false), ("_a", false), ("", false)]
        {
            assert_eq!(is_identifier(key), expected, "{key}");
        }
    }
}
