//! Prepared queries and how a name finds one (`docs/spec/rpc-and-state.md` §7.6).

use std::sync::Arc;

use types::PreparedQuery;

use crate::key::{self, RowKey};
use crate::map::{Map, under};
use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::table::template::Template;
use crate::watch::Topic;

const PREPARED_QUERIES: &str = "prepared-queries";

/// Why a name or an ID does not give a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// Nothing has this ID or name, and no template matches it.
    NotFound,
    /// It is the ID of a template.
    TemplateById,
    /// The template cannot be rendered; the text says why.
    Template(String),
}

impl std::fmt::Display for ResolveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ResolveError::NotFound => f.write_str("Query not found"),
            ResolveError::TemplateById => {
                f.write_str("prepared query templates can only be resolved up by name, not by ID")
            }
            ResolveError::Template(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ResolveError {}

/// A row: the query and, for a template, its compiled form or why it has none.
#[derive(Clone, Debug)]
struct Row {
    query: Arc<PreparedQuery>,
    template: Option<Result<Arc<Template>, String>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct QueryTable {
    /// (ID).
    rows: Map<RowKey, Row>,
    /// (name), named ones only.
    by_name: Map<RowKey, Row>,
    /// The lower-cased bytes a name must start with, templates only.
    by_prefix: Map<RowKey, Row>,
    /// (session, ID).
    by_session: Map<RowKey, Arc<PreparedQuery>>,
}

impl QueryTable {
    fn get(&self, id: &str) -> Option<&Row> {
        self.rows.get::<[u8]>(&key::row(&[id]))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<PreparedQuery>> {
        self.rows.values().map(|row| &row.query)
    }

    fn insert(&mut self, row: Row) {
        self.remove(&row.query.id);
        let query = Arc::clone(&row.query);
        self.rows.insert(key::row(&[&query.id]).into(), row.clone());
        if !query.session.is_empty() {
            self.by_session.insert(key::row(&[&query.session, &query.id]).into(), Arc::clone(&query));
        }
        if row.template.is_some() {
            self.by_prefix.insert(prefix_key(&query.name).into(), row.clone());
        }
        if !query.name.is_empty() {
            self.by_name.insert(key::row(&[&query.name]).into(), row);
        }
    }

    fn remove(&mut self, id: &str) -> bool {
        let Some(row) = self.rows.remove::<[u8]>(&key::row(&[id])) else { return false };
        let query = &row.query;
        self.by_session.remove::<[u8]>(&key::row(&[&query.session, &query.id]));
        self.by_name.remove::<[u8]>(&key::row(&[&query.name]));
        if row.template.is_some() {
            self.by_prefix.remove::<[u8]>(&prefix_key(&query.name));
        }
        true
    }

    /// The template with the longest prefix of a name.
    fn longest_prefix(&self, name: &str) -> Option<&Row> {
        let name = prefix_key(name);
        (0..=name.len()).rev().find_map(|len| self.by_prefix.get(&name[..len]))
    }
}

fn prefix_key(name: &str) -> Vec<u8> {
    name.to_lowercase().into_bytes()
}

fn is_template(query: &PreparedQuery) -> bool {
    !query.template.r#type.is_empty()
}

/// Whether a name has the form of an ID (8-4-4-4-12 hexadecimal digits).
fn is_uuid(name: &str) -> bool {
    name.len() == 36
        && name.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

impl Tx<'_> {
    /// Adds a query or replaces the one with its ID.
    pub(crate) fn set_query(&mut self, mut query: PreparedQuery) -> Result<(), String> {
        if query.id.is_empty() {
            return Err("Missing Query ID".to_owned());
        }
        let queries = &self.root.queries;
        let is_other = |row: &&Row| row.query.id.to_lowercase() != query.id.to_lowercase();
        let name = query.name.as_str();
        if !name.is_empty() {
            if queries.by_name.get::<[u8]>(&key::row(&[name])).is_some_and(|row| is_other(&row)) {
                return Err(format!("name '{name}' aliases an existing query name"));
            }
        } else if is_template(&query) && queries.by_prefix.get::<[u8]>(&[]).is_some_and(|row| is_other(&row)) {
            return Err("a query template with an empty name already exists".to_owned());
        }
        if is_uuid(name) && queries.get(name).is_some() {
            return Err(format!("name '{name}' aliases an existing query ID"));
        }
        if !query.session.is_empty() && self.root.sessions.get(&query.session).is_none() {
            return Err(format!("invalid session {}", wire::quote::go_quote(&query.session)));
        }
        query.create_index = queries.get(&query.id).map_or(self.index, |row| row.query.create_index);
        query.modify_index = self.index;
        let template = match is_template(&query) {
            true => Some(Template::compile(&query).map_err(|e| format!("failed compiling template: {e}"))?),
            false => None,
        };
        self.root.queries.insert(Row { query: Arc::new(query), template: template.map(|t| Ok(Arc::new(t))) });
        self.root.indexes.set(PREPARED_QUERIES, self.index);
        self.touch(Topic::prepared_queries());
        Ok(())
    }

    /// Removes a query. Unknown: no-op.
    pub(crate) fn delete_query(&mut self, id: &str) {
        if self.root.queries.remove(id) {
            self.root.indexes.set(PREPARED_QUERIES, self.index);
            self.touch(Topic::prepared_queries());
        }
    }

    /// Removes the queries bound to a session.
    pub(crate) fn delete_queries_of(&mut self, session: &str) {
        let prefix = key::row(&[session]);
        let ids: Vec<String> = under(&self.root.queries.by_session, &prefix).map(|(_, q)| q.id.clone()).collect();
        for id in ids {
            self.delete_query(&id);
        }
    }

    /// A template this version cannot compile is kept, and tells why when it is resolved: the snapshot must not fail.
    pub(crate) fn restore_query(&mut self, query: PreparedQuery) {
        self.raise(PREPARED_QUERIES, query.modify_index);
        let template = is_template(&query).then(|| Template::compile(&query).map(Arc::new));
        self.root.queries.insert(Row { query: Arc::new(query), template });
    }
}

/// Reads of prepared queries. The index of a list is the table's.
impl Snapshot {
    /// The query with this ID.
    pub fn prepared_query(&self, id: &str) -> (u64, Option<Arc<PreparedQuery>>) {
        let found = self.root.queries.get(id).map(|row| Arc::clone(&row.query));
        (self.root.indexes.get(PREPARED_QUERIES), found)
    }

    /// Every query, by ID.
    pub fn prepared_queries(&self) -> (u64, Vec<Arc<PreparedQuery>>) {
        (self.root.indexes.get(PREPARED_QUERIES), self.root.queries.iter().cloned().collect())
    }

    /// The query an ID or a name stands for: by ID, by exact name, else the template with the longest matching prefix.
    /// A template comes rendered for the name; `segment` is the network segment of the agent that asks.
    pub fn resolve_query(&self, id_or_name: &str, segment: &str) -> Result<Arc<PreparedQuery>, ResolveError> {
        let queries = &self.root.queries;
        if is_uuid(id_or_name)
            && let Some(row) = queries.get(id_or_name)
        {
            return match row.template {
                None => Ok(Arc::clone(&row.query)),
                Some(_) => Err(ResolveError::TemplateById),
            };
        }
        let by_name = queries.by_name.get::<[u8]>(&key::row(&[id_or_name]));
        let row = by_name.or_else(|| queries.longest_prefix(id_or_name)).ok_or(ResolveError::NotFound)?;
        match &row.template {
            None => Ok(Arc::clone(&row.query)),
            Some(Ok(template)) => {
                template.render(&row.query, id_or_name, segment).map(Arc::new).map_err(ResolveError::Template)
            }
            Some(Err(broken)) => Err(ResolveError::Template(broken.clone())),
        }
    }
}
