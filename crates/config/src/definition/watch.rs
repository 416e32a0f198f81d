//! Watches in agent configuration (`docs/spec/cli.md` §6.4): their parameters and handlers.
//!
//! The reference accepts any map when it loads a configuration and checks it when the watch is started; so does
//! [`WatchDefinition::parse`], which the agent calls then.

use std::collections::BTreeMap;
use std::time::Duration;

use super::OpaqueMap;
use crate::secret::{Secret, SecretMap};
use serde_json::Value;

/// Time a HTTP handler may take when it does not say.
const DEFAULT_HANDLER_TIMEOUT: Duration = Duration::from_secs(10);

/// A watch with its handler.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchDefinition {
    /// What is watched.
    pub kind: WatchKind,
    /// Datacenter asked; empty means the agent's own.
    pub datacenter: String,
    /// Token to ask with.
    pub token: Secret,
    /// Whether a stale answer will do.
    pub stale: bool,
    /// What runs on a change.
    pub handler: WatchHandler,
}

/// What a watch looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchKind {
    /// One key.
    Key {
        /// The key.
        key: String,
    },
    /// Keys with a prefix.
    KeyPrefix {
        /// The prefix.
        prefix: String,
    },
    /// The list of services.
    Services,
    /// The list of nodes.
    Nodes,
    /// Instances of one service.
    Service {
        /// The service.
        service: String,
        /// Tags an instance must have.
        tags: Vec<String>,
        /// Whether only passing instances count.
        passing_only: bool,
    },
    /// Checks in a state, or of a service.
    Checks {
        /// The service; empty for all.
        service: String,
        /// The state; empty means `any`.
        state: String,
    },
    /// User events.
    Event {
        /// Name of the event; empty for all.
        name: String,
    },
    /// One service of this agent.
    AgentService {
        /// ID of the service.
        service_id: String,
    },
}

/// What runs on a change.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchHandler {
    /// A program with its arguments, run directly.
    Program(Vec<String>),
    /// A command line, run by the shell (deprecated `handler`).
    Shell(String),
    /// A request.
    Http(HttpHandler),
}

/// The request of a HTTP handler.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpHandler {
    /// URL.
    pub path: String,
    /// Method.
    pub method: String,
    /// Time it may take.
    pub timeout: Duration,
    /// Headers.
    pub header: BTreeMap<String, Vec<String>>,
    /// Whether certificates are not verified.
    pub tls_skip_verify: bool,
}

/// Why a watch cannot be started; the texts are the reference's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// No type.
    #[error("Watch type must be specified")]
    NoType,
    /// A type that does not exist.
    #[error("Unsupported watch type: {0}")]
    UnknownType(String),
    /// A type that only programs may use.
    #[error("Watch type {0} is not allowed in agent config")]
    NotAllowed(String),
    /// A required parameter is absent.
    #[error("Must specify a single {0} to watch")]
    Missing(&'static str),
    /// Parameters that exclude each other.
    #[error("Cannot specify service and state")]
    ServiceAndState,
    /// Parameters the type does not have.
    #[error("Invalid parameters: [{}]", .0.join(" "))]
    Extra(Vec<String>),
    /// A parameter of the wrong type.
    #[error("Expecting {key} to be a {expected}")]
    WrongType {
        /// The parameter.
        key: String,
        /// The type it must have.
        expected: &'static str,
    },
    /// A list item that is not text.
    #[error("Index {index} of {key} expected to be string")]
    WrongItem {
        /// The parameter.
        key: String,
        /// Position in the list.
        index: usize,
    },
    /// A handler type that does not exist.
    #[error("Handler type '{0}' not recognized")]
    UnknownHandler(String),
    /// Both `args` and `handler`.
    #[error("Only one watch handler allowed")]
    TwoHandlers,
    /// Neither `args` nor `handler`.
    #[error("Must define a watch handler")]
    NoHandler,
    /// A HTTP handler without a URL.
    #[error("Requires 'path' to be set")]
    NoPath,
    /// A HTTP handler whose settings do not read.
    #[error("Failed to parse 'http_handler_config': {0}")]
    HttpConfig(String),
}

impl WatchDefinition {
    /// Reads a watch out of its map.
    pub fn parse(map: &SecretMap) -> Result<WatchDefinition, WatchError> {
        let mut params = Params { rest: map.0.clone() };
        let datacenter = params.text("datacenter")?;
        let token = Secret(params.text("token")?);
        let kind = params.text("type")?;
        let handler_type = params.text("handler_type")?;
        let handler = match handler_type.as_str() {
            "" | "script" => params.script_handler()?,
            "http" => params.http_handler()?,
            other => return Err(WatchError::UnknownHandler(other.to_owned())),
        };
        let stale = kind != "event" && kind != "agent_service" && params.bool("stale")?;
        let kind = params.kind(&kind)?;
        let extra: Vec<String> = params.rest.keys().cloned().collect();
        if !extra.is_empty() {
            return Err(WatchError::Extra(extra));
        }
        Ok(WatchDefinition { kind, datacenter, token, stale, handler })
    }
}

struct Params {
    rest: OpaqueMap,
}

impl Params {
    fn text(&mut self, key: &str) -> Result<String, WatchError> {
        match self.rest.shift_remove(key) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(WatchError::WrongType { key: key.to_owned(), expected: "string" }),
        }
    }

    fn bool(&mut self, key: &str) -> Result<bool, WatchError> {
        match self.rest.shift_remove(key) {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(value),
            Some(_) => Err(WatchError::WrongType { key: key.to_owned(), expected: "boolean" }),
        }
    }

    /// A text or a list of texts.
    fn texts(&mut self, key: &str) -> Result<Vec<String>, WatchError> {
        match self.rest.shift_remove(key) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text]),
            Some(Value::Array(items)) => {
                let item = |(index, item)| match item {
                    Value::String(text) => Ok(text),
                    _ => Err(WatchError::WrongItem { key: key.to_owned(), index }),
                };
                items.into_iter().enumerate().map(item).collect()
            }
            Some(_) => Err(WatchError::WrongType { key: key.to_owned(), expected: "string or []string" }),
        }
    }

    fn kind(&mut self, kind: &str) -> Result<WatchKind, WatchError> {
        let required = |text: String, what| if text.is_empty() { Err(WatchError::Missing(what)) } else { Ok(text) };
        match kind {
            "" => Err(WatchError::NoType),
            "key" => Ok(WatchKind::Key { key: required(self.text("key")?, "key")? }),
            "keyprefix" => Ok(WatchKind::KeyPrefix { prefix: required(self.text("prefix")?, "prefix")? }),
            "services" => Ok(WatchKind::Services),
            "nodes" => Ok(WatchKind::Nodes),
            "service" => Ok(WatchKind::Service {
                service: required(self.text("service")?, "service")?,
                tags: self.texts("tag")?,
                passing_only: self.bool("passingonly")?,
            }),
            "checks" => {
                let (service, state) = (self.text("service")?, self.text("state")?);
                if !service.is_empty() && !state.is_empty() {
                    return Err(WatchError::ServiceAndState);
                }
                Ok(WatchKind::Checks { service, state })
            }
            "event" => Ok(WatchKind::Event { name: self.text("name")? }),
            "agent_service" => {
                Ok(WatchKind::AgentService { service_id: required(self.text("service_id")?, "service_id")? })
            }
            "connect_roots" | "connect_leaf" => Err(WatchError::NotAllowed(kind.to_owned())),
            other => Err(WatchError::UnknownType(other.to_owned())),
        }
    }

    fn script_handler(&mut self) -> Result<WatchHandler, WatchError> {
        let shell = self.text("handler")?;
        let args = self.texts("args")?;
        match (shell.is_empty(), args.is_empty()) {
            (false, false) => Err(WatchError::TwoHandlers),
            (true, true) => Err(WatchError::NoHandler),
            (false, true) => Ok(WatchHandler::Shell(shell)),
            (true, false) => Ok(WatchHandler::Program(args)),
        }
    }

    fn http_handler(&mut self) -> Result<WatchHandler, WatchError> {
        let fail = |detail: &str| WatchError::HttpConfig(detail.to_owned());
        let config = match self.rest.shift_remove("http_handler_config") {
            Some(Value::Object(config)) => config,
            None => return Err(WatchError::NoPath),
            Some(_) => return Err(fail("expected a map")),
        };
        let text = |key: &str| match config.get(key) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(fail(&format!("'{key}' expected type 'string'"))),
        };
        let path = text("path")?;
        if path.is_empty() {
            return Err(WatchError::NoPath);
        }
        let method = match text("method")? {
            method if method.is_empty() => "POST".to_owned(),
            method => method,
        };
        let timeout = match text("timeout")? {
            timeout if timeout.is_empty() => DEFAULT_HANDLER_TIMEOUT,
            timeout => crate::duration::parse(&timeout).map_err(|detail| fail(&detail))?.as_std(),
        };
        let tls_skip_verify = match config.get("tls_skip_verify") {
            None => false,
            Some(Value::Bool(value)) => *value,
            Some(_) => return Err(fail("'tls_skip_verify' expected type 'bool'")),
        };
        let header = match config.get("header") {
            None => BTreeMap::new(),
            Some(header) => serde_json::from_value(header.clone()).map_err(|error| fail(&error.to_string()))?,
        };
        Ok(WatchHandler::Http(HttpHandler { path, method, timeout, header, tls_skip_verify }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<WatchDefinition, WatchError> {
        WatchDefinition::parse(&SecretMap(serde_json::from_str(json).unwrap()))
    }

    #[test]
    fn faults_have_the_references_words() {
        let table = [
            (r#"{"args":["x"]}"#, "Watch type must be specified"),
            (r#"{"type":"nope","args":["x"]}"#, "Unsupported watch type: nope"),
            (
                r#"{"type":"connect_leaf","service":"a","args":["x"]}"#,
                "Watch type connect_leaf is not allowed in agent config",
            ),
            (r#"{"type":"key","args":["x"]}"#, "Must specify a single key to watch"),
            (r#"{"type":"keyprefix","args":["x"]}"#, "Must specify a single prefix to watch"),
            (r#"{"type":"service","args":["x"]}"#, "Must specify a single service to watch"),
            (r#"{"type":"checks","service":"a","state":"any","args":["x"]}"#, "Cannot specify service and state"),
            (r#"{"type":"key","key":"a","foo":1,"args":["x"]}"#, "Invalid parameters: [foo]"),
            (r#"{"type":5,"args":["x"]}"#, "Expecting type to be a string"),
            (r#"{"type":"key","key":"a","stale":"x","args":["x"]}"#, "Expecting stale to be a boolean"),
            (r#"{"type":"service","service":"a","tag":1,"args":["x"]}"#, "Expecting tag to be a string or []string"),
            (r#"{"type":"service","service":"a","tag":[1],"args":["x"]}"#, "Index 0 of tag expected to be string"),
            (r#"{"type":"key","key":"a","handler_type":"foo"}"#, "Handler type 'foo' not recognized"),
            (r#"{"type":"key","key":"a"}"#, "Must define a watch handler"),
            (r#"{"type":"key","key":"a","args":"x","handler":"y"}"#, "Only one watch handler allowed"),
            (r#"{"type":"key","key":"a","handler_type":"http"}"#, "Requires 'path' to be set"),
        ];
        for (json, message) in table {
            assert_eq!(parse(json).unwrap_err().to_string(), message, "{json}");
        }
    }

    #[test]
    fn a_http_handler_has_defaults() {
        let watch =
            parse(r#"{"type":"nodes","handler_type":"http","http_handler_config":{"path":"http://x"}}"#).unwrap();
        let expected = HttpHandler {
            path: "http://x".into(),
            method: "POST".into(),
            timeout: Duration::from_secs(10),
            header: BTreeMap::new(),
            tls_skip_verify: false,
        };
        assert_eq!(watch.handler, WatchHandler::Http(expected));
    }
}
