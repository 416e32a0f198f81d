//! The client: one agent, shared by every call.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, Method,
    header::{AUTHORIZATION, USER_AGENT},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio_rustls::TlsConnector;

use crate::{
    Agent, Catalog, Config, Coordinate, Error, Event, Health, Kv, Lock, Operator, QueryMeta, QueryOptions, Request,
    Result, Scheme, Semaphore, Session, Snapshot, Status, Txn, WriteOptions, options::wait_param, tls,
    transport::Transport,
};

/// An agent's HTTP API. Cloning is cheap and shares the connections.
///
/// ```
/// # api::test_support::run(|agent| async move {
/// let client = api::Client::new(api::Config::default().address(agent.http_addr()))?;
/// let leader = client.status().leader(&api::QueryOptions::new()).await?;
/// assert!(!leader.is_empty());
/// # Ok(()) });
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    transport: Arc<Transport>,
    defaults: Defaults,
}

/// What every request starts from.
pub(crate) struct Defaults {
    pub(crate) params: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) token: Option<String>,
}

impl Client {
    /// A client for the agent `config` describes. Nothing is sent yet; token and TLS files are read here, once.
    ///
    /// # Errors
    /// [`Error::UnknownScheme`], [`Error::TokenFile`], [`Error::CaFile`], [`Error::CaPath`], [`Error::TlsFile`],
    /// [`Error::IncompleteClientCertificate`].
    pub fn new(config: Config) -> Result<Self> {
        let target = config.target()?;
        let material = tls::load(&config.tls)?;
        let tls_config = match target.scheme {
            Scheme::Https => Some(material.client_config()?),
            // Plain connections need none, but a wrong certificate or key is reported all the same.
            Scheme::Http if !material.is_empty() => {
                material.client_config()?;
                None
            }
            Scheme::Http => None,
        };
        let token = config.effective_token()?;
        let defaults = Defaults { params: default_params(&config), headers: default_headers(&config)?, token };
        let server_name = config.tls.server_name.as_deref().map(|name| crate::transport::split_port(name).0.to_owned());
        let connector = tls_config.map(|tls| TlsConnector::from(Arc::new(tls)));
        let transport = Arc::new(Transport::new(target, connector, server_name));
        Ok(Client { shared: Arc::new(Shared { config, transport, defaults }) })
    }

    /// A client configured by the environment; see [`Config::from_env`].
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn from_env() -> Result<Self> {
        Self::new(Config::from_env())
    }

    /// The configuration this client was made with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The agent itself: its services, checks, members, maintenance, logs.
    pub fn agent(&self) -> Agent {
        Agent { client: self.clone() }
    }

    /// Nodes and services of the datacenter.
    pub fn catalog(&self) -> Catalog {
        Catalog { client: self.clone() }
    }

    /// Network coordinates.
    pub fn coordinate(&self) -> Coordinate {
        Coordinate { client: self.clone() }
    }

    /// User events.
    pub fn event(&self) -> Event {
        Event { client: self.clone() }
    }

    /// Health checks and healthy instances.
    pub fn health(&self) -> Health {
        Health { client: self.clone() }
    }

    /// The key-value store.
    pub fn kv(&self) -> Kv {
        Kv { client: self.clone() }
    }

    /// A lock on `key`; see [`Lock`].
    pub fn lock(&self, key: impl Into<String>) -> Lock {
        Lock::new(self.clone(), key.into())
    }

    /// A semaphore with `limit` slots under `prefix`; see [`Semaphore`].
    pub fn semaphore(&self, prefix: impl Into<String>, limit: u64) -> Semaphore {
        Semaphore::new(self.clone(), prefix.into(), limit)
    }

    /// Raft, autopilot, gossip keys.
    pub fn operator(&self) -> Operator {
        Operator { client: self.clone() }
    }

    /// Sessions.
    pub fn session(&self) -> Session {
        Session { client: self.clone() }
    }

    /// Snapshots of the servers' state.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { client: self.clone() }
    }

    /// Leader and Raft peers.
    pub fn status(&self) -> Status {
        Status { client: self.clone() }
    }

    /// Transactions.
    pub fn txn(&self) -> Txn {
        Txn { client: self.clone() }
    }

    /// Any request: `path` is unescaped and starts with `/v1/`.
    pub fn request(&self, method: Method, path: impl Into<String>) -> Request {
        Request::new(self.clone(), method, path.into())
    }

    /// GET `path`, decoded from JSON.
    ///
    /// # Errors
    /// [`Error::Transport`], [`Error::UnexpectedResponse`] for any status but 200, [`Error::Decode`].
    pub async fn query<T: DeserializeOwned>(&self, path: &str, options: &QueryOptions) -> Result<(T, QueryMeta)> {
        self.get(path).query_options(options).send().await?.ok().await?.json_with_meta().await
    }

    /// PUT `body` as JSON to `path`, the answer decoded from JSON. For an endpoint without an answer ask for `()` with
    /// [`Client::write_empty`].
    ///
    /// # Errors
    /// As [`Client::query`], and [`Error::Encode`].
    pub async fn write<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + ?Sized),
        options: &WriteOptions,
    ) -> Result<T> {
        self.put(path).write_options(options).json(body).send().await?.ok().await?.json().await
    }

    /// PUT `body` as JSON to `path`, ignoring the answer's body.
    ///
    /// # Errors
    /// As [`Client::write`], without [`Error::Decode`].
    pub async fn write_empty(
        &self,
        path: &str,
        body: &(impl Serialize + ?Sized),
        options: &WriteOptions,
    ) -> Result<()> {
        self.put(path).write_options(options).json(body).send_empty().await
    }

    /// DELETE `path`, ignoring the answer's body.
    ///
    /// # Errors
    /// [`Error::Transport`], [`Error::UnexpectedResponse`] for any status but 200.
    pub async fn delete(&self, path: &str, options: &WriteOptions) -> Result<()> {
        self.request(Method::DELETE, path).write_options(options).send_empty().await
    }

    pub(crate) fn get(&self, path: impl Into<String>) -> Request {
        self.request(Method::GET, path)
    }

    pub(crate) fn put(&self, path: impl Into<String>) -> Request {
        self.request(Method::PUT, path)
    }

    pub(crate) fn transport(&self) -> &Arc<Transport> {
        &self.shared.transport
    }

    pub(crate) fn defaults(&self) -> &Defaults {
        &self.shared.defaults
    }
}

impl Request {
    /// Sends, expects 200, reads the body to its end and forgets it.
    pub(crate) async fn send_empty(self) -> Result<()> {
        self.send().await?.ok().await?.bytes().await?;
        Ok(())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

fn default_params(config: &Config) -> Vec<(String, String)> {
    let wait = config.wait_time.map(wait_param);
    let params =
        [("dc", &config.datacenter), ("ns", &config.namespace), ("partition", &config.partition), ("wait", &wait)];
    params.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect()
}

fn default_headers(config: &Config) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("proconsul-api/", env!("CARGO_PKG_VERSION"))));
    if let Some((user, password)) = &config.basic_auth {
        let credentials = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let unusable = |_| Error::InvalidArgument("the user and password are too long for an HTTP header".to_owned());
        headers.insert(AUTHORIZATION, HeaderValue::try_from(credentials).map_err(unusable)?);
    }
    Ok(headers)
}
