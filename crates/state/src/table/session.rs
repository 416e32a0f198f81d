//! Sessions: the owners of locks (`docs/spec/rpc-and-state.md` §7.3).

use std::sync::Arc;

use types::{CheckStatus, Session};

use crate::apply::Effect;
use crate::key::{self, RowKey};
use crate::map::{Map, under};
use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::watch::Topic;

const SESSIONS: &str = "sessions";

#[derive(Clone, Debug, Default)]
pub(crate) struct SessionTable {
    rows: Map<RowKey, Arc<Session>>,
    /// (node, session).
    by_node: Map<RowKey, Arc<Session>>,
    /// (node, check, session): the checks that keep a session alive.
    by_check: Map<RowKey, Arc<Session>>,
}

impl SessionTable {
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Session>> {
        self.rows.get::<[u8]>(&key::row(&[id]))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.rows.values()
    }

    fn insert(&mut self, session: Arc<Session>) {
        self.remove(&session.id);
        self.rows.insert(key::row(&[&session.id]).into(), Arc::clone(&session));
        self.by_node.insert(key::row(&[&session.node, &session.id]).into(), Arc::clone(&session));
        for check in session.check_ids() {
            let mapping = key::row(&[&session.node, check, &session.id]);
            self.by_check.insert(mapping.into(), Arc::clone(&session));
        }
    }

    fn remove(&mut self, id: &str) -> Option<Arc<Session>> {
        let session = self.rows.remove::<[u8]>(&key::row(&[id]))?;
        self.by_node.remove::<[u8]>(&key::row(&[&session.node, &session.id]));
        for check in session.check_ids() {
            self.by_check.remove::<[u8]>(&key::row(&[&session.node, check, &session.id]));
        }
        Some(session)
    }

    fn ids(map: &Map<RowKey, Arc<Session>>, prefix: &[u8]) -> Vec<String> {
        under(map, prefix).map(|(_, session)| session.id.clone()).collect()
    }
}

impl Tx<'_> {
    /// Adds a session with the ID the server made for it; returns the ID.
    pub(crate) fn create_session(&mut self, mut session: Session) -> Result<String, String> {
        if session.id.is_empty() {
            return Err("missing session ID".to_owned());
        }
        match session.behavior.as_str() {
            "" => session.behavior = "release".to_owned(),
            "release" | "delete" => {}
            other => return Err(format!("Invalid session behavior: {other}")),
        }
        if self.root.nodes.get("", &session.node).is_none() {
            return Err("Missing node registration".to_owned());
        }
        for id in session.check_ids() {
            let Some(check) = self.root.checks.get("", &session.node, id) else {
                return Err(format!("Missing check '{id}' registration"));
            };
            if check.status == CheckStatus::Critical.as_str() {
                return Err(format!("Check '{id}' is in {} state", check.status));
            }
        }
        session.create_index = self.index;
        session.modify_index = self.index;
        let (id, ttl) = (session.id.clone(), session.ttl.clone());
        self.touch_session(&session);
        self.root.sessions.insert(Arc::new(session));
        self.root.indexes.set(SESSIONS, self.index);
        self.effects.push(Effect::SessionCreated { id: id.clone(), ttl });
        Ok(id)
    }

    /// Ends a session: frees or deletes its keys, and removes the prepared queries bound to it. Unknown: no-op.
    pub(crate) fn destroy_session(&mut self, id: &str) {
        let Some(session) = self.root.sessions.remove(id) else { return };
        self.root.indexes.set(SESSIONS, self.index);
        self.touch_session(&session);
        self.release_keys(&session.id, session.behavior == "delete", session.lock_delay.as_std());
        self.delete_queries_of(&session.id);
        self.effects.push(Effect::SessionDestroyed { id: session.id.clone() });
    }

    /// Ends every session on a node of this cluster.
    pub(crate) fn destroy_sessions_of_node(&mut self, node: &str) {
        for id in SessionTable::ids(&self.root.sessions.by_node, &key::row(&[node])) {
            self.destroy_session(&id);
        }
    }

    /// Ends every session that depends on a check.
    pub(crate) fn destroy_sessions_of_check(&mut self, node: &str, check: &str) {
        for id in SessionTable::ids(&self.root.sessions.by_check, &key::row(&[node, check])) {
            self.destroy_session(&id);
        }
    }

    pub(crate) fn restore_session(&mut self, session: Session) {
        self.raise(SESSIONS, session.modify_index);
        self.root.sessions.insert(Arc::new(session));
    }

    fn touch_session(&mut self, session: &Session) {
        self.touch(Topic::sessions());
        self.touch(Topic::session(&session.id));
        self.touch(Topic::node_sessions(&session.node));
    }
}

/// Reads of sessions. The index is always the table's.
impl Snapshot {
    /// One session.
    pub fn session(&self, id: &str) -> (u64, Option<Arc<Session>>) {
        (self.root.indexes.get(SESSIONS), self.root.sessions.get(id).cloned())
    }

    /// Every session, by ID.
    pub fn sessions(&self) -> (u64, Vec<Arc<Session>>) {
        (self.root.indexes.get(SESSIONS), self.root.sessions.iter().cloned().collect())
    }

    /// The sessions of a node, by ID.
    pub fn node_sessions(&self, node: &str) -> (u64, Vec<Arc<Session>>) {
        let prefix = key::row(&[node]);
        let sessions = under(&self.root.sessions.by_node, &prefix).map(|(_, session)| Arc::clone(session));
        (self.root.indexes.get(SESSIONS), sessions.collect())
    }
}
