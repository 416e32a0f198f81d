//! Encryption keys of the whole pool, managed by queries (`docs/spec/gossip.md` §15).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::Events;
use super::asking::Owner;
use super::message::{self, KeyRequest, KeyResponse, Kind, Raw};
use super::query::{Question, RESPONSE_MAX_BYTES};
use crate::core::{CommandId, Effect, KeyOperation, KeyReply, Outcome, QueryParams, SaveId};
use crate::membership::Time;

/// Length of the shortest key in base64 with what surrounds it, bytes: so many keys at most fit an answer.
const LISTED_KEY_MIN_BYTES: usize = 25;
/// Answers that may wait for the keyring file at once.
const UNSAVED_MAX: usize = 64;
const NO_KEYRING: &str = "No keyring to modify (encryption not enabled)";
const EMPTY_KEYRING: &str = "Keyring is empty (encryption not enabled)";

/// What a key-management query asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyQuery {
    Install,
    Use,
    Remove,
    List,
}

impl KeyQuery {
    /// By its name without the prefix of internal queries.
    pub(super) fn from_name(name: &str) -> Option<KeyQuery> {
        Some(match name {
            "install-key" => KeyQuery::Install,
            "use-key" => KeyQuery::Use,
            "remove-key" => KeyQuery::Remove,
            "list-keys" => KeyQuery::List,
            _ => return None,
        })
    }
}

impl Events {
    /// Manages the keys of all nodes, of which `nodes` are there.
    pub(crate) fn keys(&mut self, id: CommandId, operation: KeyOperation, relay_factor: u8, nodes: usize, now: Time) {
        let (name, key) = match operation {
            KeyOperation::List => ("_serf_list-keys", Vec::new()),
            KeyOperation::Install(key) => ("_serf_install-key", key),
            KeyOperation::Use(key) => ("_serf_use-key", key),
            KeyOperation::Remove(key) => ("_serf_remove-key", key),
        };
        let payload = message::encode(Kind::KeyRequest, &KeyRequest { key: Raw(key) }).into();
        let params = QueryParams { name: name.to_owned(), payload, relay_factor, ..QueryParams::default() };
        if let Err(error) = self.query(&params, Owner::Keys { id, nodes }, now) {
            let outcome = Outcome::Keys(KeyReply { error: Some(error), ..KeyReply::default() });
            self.wish(Effect::Done { id, outcome });
        }
    }

    /// Does to our own keys what a query asks for.
    pub(super) fn answer_keys(&mut self, query: KeyQuery, question: Question, payload: &[u8], now: Time) {
        if query == KeyQuery::List {
            return self.answer_list(question, now);
        }
        let changed = match read_key(payload) {
            Some(key) => self.change_keys(query, &key),
            None => {
                self.log.error(format_args!("serf: Failed to decode key request"));
                Err(String::new())
            }
        };
        if let Err(message) = changed {
            return self.answer_change(question, Err(message), now);
        }
        self.next_save += 1;
        let id = SaveId(self.next_save);
        self.unsaved.insert(id, question);
        if self.unsaved.len() > UNSAVED_MAX {
            self.unsaved.pop_first();
        }
        let keys = self.keyring.list();
        self.wish(Effect::SaveKeyring { id, keys });
    }

    fn change_keys(&mut self, query: KeyQuery, key: &[u8]) -> Result<(), String> {
        if self.keyring.is_empty() {
            return Err(NO_KEYRING.to_owned());
        }
        let changed = match query {
            KeyQuery::Install => self.keyring.install(key),
            KeyQuery::Use => self.keyring.use_key(key),
            KeyQuery::Remove => self.keyring.remove(key),
            KeyQuery::List => Ok(()),
        };
        changed.map_err(|error| {
            self.log.error(format_args!("serf: Failed to change keyring: {error}"));
            error.to_string()
        })
    }

    /// The keyring file was written, or could not be.
    pub(crate) fn keyring_saved(&mut self, id: SaveId, result: Result<(), String>, now: Time) {
        let Some(question) = self.unsaved.remove(&id) else { return };
        let result = result.map_err(|error| format!("Failed to write keyring file: {error}"));
        self.answer_change(question, result, now);
    }

    fn answer_change(&mut self, question: Question, result: Result<(), String>, now: Time) {
        let (result, message) = (result.is_ok(), result.err().unwrap_or_default());
        let response = KeyResponse { result, message, ..KeyResponse::default() };
        self.answer_with(question, &response, now);
    }

    fn answer_with(&mut self, question: Question, response: &KeyResponse, now: Time) {
        if let Err(error) = self.respond(question, message::encode(Kind::KeyResponse, response), now) {
            self.log.error(format_args!("serf: Failed to respond to key query: {error}"));
        }
    }

    /// Lists our keys, or as many as fit into an answer.
    fn answer_list(&mut self, question: Question, now: Time) {
        let keys: Vec<String> = self.keyring.list().iter().map(|key| STANDARD.encode(key)).collect();
        let Some(primary_key) = keys.first().cloned() else {
            return self.answer_change(question, Err(EMPTY_KEYRING.to_owned()), now);
        };
        let all = keys.len();
        let mut response = KeyResponse { keys: Some(keys), message: String::new(), primary_key, result: true };
        let mut shown = all.min(RESPONSE_MAX_BYTES / LISTED_KEY_MIN_BYTES);
        while self.is_too_long(&question, &response) && shown > 0 {
            response.message = format!("truncated key list response, showing first {shown} of {all} keys");
            response.keys.iter_mut().for_each(|keys| keys.truncate(shown));
            shown -= 1;
        }
        self.answer_with(question, &response, now);
    }

    fn is_too_long(&self, question: &Question, response: &KeyResponse) -> bool {
        let payload = message::encode(Kind::KeyResponse, response);
        question.response(&self.name, 0, payload).len() > RESPONSE_MAX_BYTES
    }
}

fn read_key(payload: &[u8]) -> Option<Vec<u8>> {
    match message::split(payload)? {
        (Kind::KeyRequest, body) => message::decode::<KeyRequest>(body).ok().map(|request| request.key.0),
        _ => None,
    }
}

/// What all answers amount to.
pub(super) fn summarise(responses: &[(String, Bytes)], nodes: usize) -> KeyReply {
    let mut reply = KeyReply { nodes, responses: responses.len(), ..KeyReply::default() };
    for (from, payload) in responses {
        match read_response(payload) {
            Err(message) => {
                reply.errors += 1;
                reply.messages.insert(from.clone(), message);
            }
            Ok(response) => count(&mut reply, from, response),
        }
    }
    reply.error = if reply.errors > 0 {
        Some(format!("{}/{} nodes reported failure", reply.errors, reply.nodes))
    } else if reply.responses != reply.nodes {
        Some(format!("{}/{} nodes reported success", reply.responses, reply.nodes))
    } else {
        None
    };
    reply
}

fn count(reply: &mut KeyReply, from: &str, response: KeyResponse) {
    let KeyResponse { keys, message, primary_key, result } = response;
    if !result {
        reply.errors += 1;
    }
    if !result || !message.is_empty() {
        reply.messages.insert(from.to_owned(), message);
    }
    for key in keys.into_iter().flatten() {
        *reply.keys.entry(key).or_default() += 1;
    }
    *reply.primary_keys.entry(primary_key).or_default() += 1;
}

fn read_response(payload: &[u8]) -> Result<KeyResponse, String> {
    let Some((Kind::KeyResponse, body)) = message::split(payload) else {
        return Err(format!("Invalid key query response type: {}", as_list(payload)));
    };
    message::decode(body).map_err(|_| format!("Failed to decode key query response: {}", as_list(payload)))
}

/// Bytes as the reference prints them.
fn as_list(bytes: &[u8]) -> String {
    let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
    format!("[{}]", numbers.join(" "))
}
