//! Which nodes have taken the job up, and which have finished: told by the keys they write. Pure.

use std::collections::BTreeSet;

/// What a new key tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The node has taken the job up.
    Acknowledged { node: String },
    /// The node has printed something, which is in this key.
    Printed { node: String, key: String },
    /// The node has finished; its exit code is in this key.
    Finished { node: String, key: String },
}

/// The keys seen so far below one directory.
#[derive(Debug, Default)]
pub(super) struct Progress {
    seen: BTreeSet<String>,
    pub(super) acknowledged: usize,
    pub(super) finished: usize,
}

impl Progress {
    /// What is new in a listing of the keys below `directory`, which ends in a slash: acknowledgements and output before
    /// exit codes, so that a node's last words come before its end.
    pub(super) fn news(&mut self, directory: &str, keys: Vec<String>) -> Vec<News> {
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for key in keys {
            if !self.seen.insert(key.clone()) {
                continue;
            }
            let Some((node, what)) = key.strip_prefix(directory).and_then(|rest| rest.split_once('/')) else {
                continue;
            };
            let node = node.to_string();
            match what {
                "ack" => {
                    self.acknowledged += 1;
                    first.push(News::Acknowledged { node });
                }
                "exit" => {
                    self.finished += 1;
                    last.push(News::Finished { node, key });
                }
                _ if what.starts_with("out/") => first.push(News::Printed { node, key }),
                _ => {}
            }
        }
        first.append(&mut last);
        first
    }

    /// Whether a node that took the job up has not finished.
    pub(super) fn is_waited_for(&self) -> bool {
        self.acknowledged > self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_once_and_ends_last() {
        let mut progress = Progress::default();
        let keys = |names: &[&str]| names.iter().map(|name| format!("_rexec/s/{name}")).collect::<Vec<_>>();
        let news = progress.news("_rexec/s/", keys(&["a/ack", "a/exit", "a/out/00000", "job", "b/ack"]));
        let [ack, printed, other_ack, finished] = news.as_slice() else { panic!("{news:?}") };
        assert_eq!(ack, &News::Acknowledged { node: "a".to_string() });
        assert_eq!(printed, &News::Printed { node: "a".to_string(), key: "_rexec/s/a/out/00000".to_string() });
        assert_eq!(other_ack, &News::Acknowledged { node: "b".to_string() });
        assert_eq!(finished, &News::Finished { node: "a".to_string(), key: "_rexec/s/a/exit".to_string() });
        assert!(progress.is_waited_for());
        assert_eq!(progress.news("_rexec/s/", keys(&["a/ack", "b/exit"])).len(), 1);
        assert!(!progress.is_waited_for());
    }
}
