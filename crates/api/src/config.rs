//! Where the agent is and how to talk to it: defaults, environment, address rules (`docs/spec/cli.md §1.4`).

use std::{fmt, path::PathBuf, time::Duration};

use crate::{Error, Result};

const DEFAULT_ADDRESS: &str = "127.0.0.1:8500";

/// How a [`Client`](crate::Client) reaches its agent.
///
/// [`Config::default`] is the local agent over plain HTTP and ignores the environment; [`Config::from_env`] honours the
/// `CONSUL_*` variables. Setters ignore empty values, so that an empty flag leaves what is there.
///
/// ```
/// let config = api::Config::default().address("https://consul.example.com:8501/proxy").datacenter("dc2");
/// assert!(api::Client::new(config).is_ok());
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Config {
    /// `host:port`, `http://host:port/prefix`, `https://…` or `unix:///path`; `127.0.0.1:8500` when unset.
    pub address: Option<String>,
    /// Scheme of an address that names none. An `http://` address does not undo [`Scheme::Https`].
    pub scheme: Scheme,
    /// Prepended to every path, for an agent behind a reverse proxy.
    pub path_prefix: Option<String>,
    /// Datacenter of calls that name none.
    pub datacenter: Option<String>,
    /// User and password for HTTP basic authentication.
    pub basic_auth: Option<(String, String)>,
    /// Longest time blocking queries that name none may block.
    pub wait_time: Option<Duration>,
    /// ACL token of calls that name none.
    pub token: Option<String>,
    /// File holding the token; read once, wins over `token` unless blank.
    pub token_file: Option<PathBuf>,
    /// Namespace of calls that name none.
    pub namespace: Option<String>,
    /// Admin partition of calls that name none.
    pub partition: Option<String>,
    /// TLS settings; the files are checked even for a plain address.
    pub tls: TlsConfig,
}

/// TLS settings. Without `ca_file` and `ca_path` the system's trusted CAs are used.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TlsConfig {
    /// PEM file with the CA certificates to trust; wins over `ca_path`.
    pub ca_file: Option<PathBuf>,
    /// PEM file, or directory read recursively, with the CA certificates to trust.
    pub ca_path: Option<PathBuf>,
    /// PEM file with the client certificate; needs `client_key`.
    pub client_cert: Option<PathBuf>,
    /// PEM file with the client key; needs `client_cert`.
    pub client_key: Option<PathBuf>,
    /// Name expected in the server certificate instead of the address's host; a port is stripped.
    pub server_name: Option<String>,
    /// Accept any server certificate. For tests only: anybody can then read the tokens sent.
    pub skip_verify: bool,
}

/// Plain or encrypted HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// `http`
    #[default]
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// Where to dial.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Endpoint {
    /// The host part of the URL, port included if given.
    Host(String),
    /// A Unix socket path, relative ones to the working directory.
    Unix(String),
}

/// The address after parsing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    pub(crate) scheme: Scheme,
    pub(crate) path_prefix: String,
}

impl Config {
    /// The local agent, adjusted by `CONSUL_HTTP_ADDR`, `CONSUL_HTTP_TOKEN`, `CONSUL_HTTP_TOKEN_FILE`,
    /// `CONSUL_HTTP_AUTH`, `CONSUL_HTTP_SSL`, `CONSUL_HTTP_SSL_VERIFY`, `CONSUL_CACERT`, `CONSUL_CAPATH`,
    /// `CONSUL_CLIENT_CERT`, `CONSUL_CLIENT_KEY`, `CONSUL_TLS_SERVER_NAME`, `CONSUL_NAMESPACE` and `CONSUL_PARTITION`.
    ///
    /// An unreadable boolean is logged as a warning; in `CONSUL_HTTP_SSL_VERIFY` it turns verification **off**, as in the
    /// reference.
    pub fn from_env() -> Self {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// As [`Config::from_env`], with variables looked up by `var`.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Self {
        let var = |name: &str| var(name).unwrap_or_default();
        let mut config = Config::default()
            .address(var("CONSUL_HTTP_ADDR"))
            .token(var("CONSUL_HTTP_TOKEN"))
            .token_file(var("CONSUL_HTTP_TOKEN_FILE"))
            .ca_file(var("CONSUL_CACERT"))
            .ca_path(var("CONSUL_CAPATH"))
            .client_cert(var("CONSUL_CLIENT_CERT"))
            .client_key(var("CONSUL_CLIENT_KEY"))
            .tls_server_name(var("CONSUL_TLS_SERVER_NAME"))
            .namespace(var("CONSUL_NAMESPACE"))
            .partition(var("CONSUL_PARTITION"));
        let auth = var("CONSUL_HTTP_AUTH");
        if !auth.is_empty() {
            let (user, password) = auth.split_once(':').unwrap_or((&auth, ""));
            config = config.basic_auth(user, password);
        }
        if boolean("CONSUL_HTTP_SSL", &var("CONSUL_HTTP_SSL")) == Some(Ok(true)) {
            config.scheme = Scheme::Https;
        }
        if let Some(verify) = boolean("CONSUL_HTTP_SSL_VERIFY", &var("CONSUL_HTTP_SSL_VERIFY")) {
            config.tls.skip_verify = verify != Ok(true);
        }
        config
    }

    /// Sets [`address`](Self::address).
    pub fn address(mut self, address: impl Into<String>) -> Self {
        keep_given(&mut self.address, address.into());
        self
    }

    /// Sets [`scheme`](Self::scheme).
    pub fn scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Sets [`path_prefix`](Self::path_prefix).
    pub fn path_prefix(mut self, prefix: impl Into<String>) -> Self {
        keep_given(&mut self.path_prefix, prefix.into());
        self
    }

    /// Sets [`datacenter`](Self::datacenter).
    pub fn datacenter(mut self, datacenter: impl Into<String>) -> Self {
        keep_given(&mut self.datacenter, datacenter.into());
        self
    }

    /// Sets [`basic_auth`](Self::basic_auth).
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.basic_auth = Some((user.into(), password.into()));
        self
    }

    /// Sets [`wait_time`](Self::wait_time).
    pub fn wait_time(mut self, wait: Duration) -> Self {
        self.wait_time = Some(wait);
        self
    }

    /// Sets [`token`](Self::token).
    pub fn token(mut self, token: impl Into<String>) -> Self {
        keep_given(&mut self.token, token.into());
        self
    }

    /// Sets [`token_file`](Self::token_file).
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        keep_path(&mut self.token_file, path.into());
        self
    }

    /// Sets [`namespace`](Self::namespace).
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        keep_given(&mut self.namespace, namespace.into());
        self
    }

    /// Sets [`partition`](Self::partition).
    pub fn partition(mut self, partition: impl Into<String>) -> Self {
        keep_given(&mut self.partition, partition.into());
        self
    }

    /// Sets [`TlsConfig::ca_file`].
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        keep_path(&mut self.tls.ca_file, path.into());
        self
    }

    /// Sets [`TlsConfig::ca_path`].
    pub fn ca_path(mut self, path: impl Into<PathBuf>) -> Self {
        keep_path(&mut self.tls.ca_path, path.into());
        self
    }

    /// Sets [`TlsConfig::client_cert`].
    pub fn client_cert(mut self, path: impl Into<PathBuf>) -> Self {
        keep_path(&mut self.tls.client_cert, path.into());
        self
    }

    /// Sets [`TlsConfig::client_key`].
    pub fn client_key(mut self, path: impl Into<PathBuf>) -> Self {
        keep_path(&mut self.tls.client_key, path.into());
        self
    }

    /// Sets [`TlsConfig::server_name`].
    pub fn tls_server_name(mut self, name: impl Into<String>) -> Self {
        keep_given(&mut self.tls.server_name, name.into());
        self
    }

    /// Sets [`TlsConfig::skip_verify`].
    pub fn skip_verify(mut self, skip: bool) -> Self {
        self.tls.skip_verify = skip;
        self
    }

    /// The address in parts.
    ///
    /// # Errors
    /// [`Error::UnknownScheme`] for anything but `http`, `https` and `unix`; schemes are case-sensitive.
    pub(crate) fn target(&self) -> Result<Target> {
        let address = self.address.as_deref().unwrap_or(DEFAULT_ADDRESS);
        let path_prefix = self.path_prefix.clone().unwrap_or_default();
        let Some((scheme, rest)) = address.split_once("://") else {
            return Ok(Target { endpoint: Endpoint::Host(address.to_owned()), scheme: self.scheme, path_prefix });
        };
        let scheme = match scheme {
            "http" => self.scheme,
            "https" => Scheme::Https,
            "unix" => {
                return Ok(Target { endpoint: Endpoint::Unix(rest.to_owned()), scheme: self.scheme, path_prefix });
            }
            other => return Err(Error::UnknownScheme(other.to_owned())),
        };
        let (host, path_prefix) = match rest.split_once('/') {
            Some((host, prefix)) => (host, format!("/{prefix}")),
            None => (rest, path_prefix),
        };
        Ok(Target { endpoint: Endpoint::Host(host.to_owned()), scheme, path_prefix })
    }

    /// The token to send: the file's unless blank, else the one set.
    pub(crate) fn effective_token(&self) -> Result<Option<String>> {
        let Some(path) = &self.token_file else {
            return Ok(self.token.clone());
        };
        let text = std::fs::read(path).map_err(|error| Error::TokenFile(crate::cause::open(path, &error)))?;
        let text = String::from_utf8_lossy(&text);
        let token = text.trim();
        Ok(if token.is_empty() { self.token.clone() } else { Some(token.to_owned()) })
    }
}

/// Secrets are not shown.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("address", &self.address)
            .field("scheme", &self.scheme)
            .field("path_prefix", &self.path_prefix)
            .field("datacenter", &self.datacenter)
            .field("basic_auth", &self.basic_auth.as_ref().map(|(user, _)| (user, "<hidden>")))
            .field("wait_time", &self.wait_time)
            .field("token", &self.token.as_ref().map(|_| "<hidden>"))
            .field("token_file", &self.token_file)
            .field("namespace", &self.namespace)
            .field("partition", &self.partition)
            .field("tls", &self.tls)
            .finish()
    }
}

fn keep_given(slot: &mut Option<String>, value: String) {
    if !value.is_empty() {
        *slot = Some(value);
    }
}

fn keep_path(slot: &mut Option<PathBuf>, value: PathBuf) {
    if !value.as_os_str().is_empty() {
        *slot = Some(value);
    }
}

/// `None` when unset, `Err` when it is not a boolean (which is logged).
fn boolean(name: &str, value: &str) -> Option<Result<bool, ()>> {
    match value {
        "" => None,
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(Ok(true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(Ok(false)),
        other => {
            tracing::warn!("could not parse environment variable {name}: invalid boolean {other:?}");
            Some(Err(()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(vars: &[(&str, &str)]) -> Config {
        Config::from_vars(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
    }

    fn host(host: &str, scheme: Scheme, prefix: &str) -> Target {
        Target { endpoint: Endpoint::Host(host.to_owned()), scheme, path_prefix: prefix.to_owned() }
    }

    #[test]
    fn addresses_are_split() {
        let unix = |path: &str| Target {
            endpoint: Endpoint::Unix(path.to_owned()),
            scheme: Scheme::Http,
            path_prefix: String::new(),
        };
        let table = [
            ("", host("127.0.0.1:8500", Scheme::Http, "")),
            ("host:1", host("host:1", Scheme::Http, "")),
            ("host:1/p", host("host:1/p", Scheme::Http, "")),
            ("http://host:1/p/q", host("host:1", Scheme::Http, "/p/q")),
            ("http://host/", host("host", Scheme::Http, "/")),
            ("https://host:1", host("host:1", Scheme::Https, "")),
            ("unix:///run/c.sock", unix("/run/c.sock")),
            ("unix://c.sock", unix("c.sock")),
            ("unix://", unix("")),
        ];
        for (address, expected) in table {
            assert_eq!(Config::default().address(address).target().unwrap(), expected, "{address}");
        }
    }

    #[test]
    fn unknown_schemes_are_refused() {
        for scheme in ["tcp", "HTTP", "grpc"] {
            let error = Config::default().address(format!("{scheme}://x")).target().unwrap_err();
            assert_eq!(error.to_string(), format!("Unknown protocol scheme: {scheme}"));
        }
    }

    #[test]
    fn http_in_the_address_does_not_undo_ssl() {
        let config = with(&[("CONSUL_HTTP_SSL", "true"), ("CONSUL_HTTP_ADDR", "http://host:1")]);
        assert_eq!(config.target().unwrap(), host("host:1", Scheme::Https, ""));
    }

    #[test]
    fn an_unreadable_ssl_switch_is_ignored() {
        assert_eq!(with(&[("CONSUL_HTTP_SSL", "maybe")]).scheme, Scheme::Http);
    }

    #[test]
    fn verification_stays_on_only_for_a_readable_true() {
        for (value, skip) in [("", false), ("true", false), ("1", false), ("false", true), ("garbage", true)] {
            assert_eq!(with(&[("CONSUL_HTTP_SSL_VERIFY", value)]).tls.skip_verify, skip, "{value:?}");
        }
    }

    #[test]
    fn basic_auth_is_split_at_the_first_colon() {
        let auth = |value: &str| with(&[("CONSUL_HTTP_AUTH", value)]).basic_auth.unwrap();
        assert_eq!(auth("me"), ("me".to_owned(), String::new()));
        assert_eq!(auth("me:a:b"), ("me".to_owned(), "a:b".to_owned()));
    }

    #[test]
    fn empty_values_leave_what_is_there() {
        let config = with(&[("CONSUL_HTTP_ADDR", "h:1"), ("CONSUL_HTTP_TOKEN", "t")]).address("").token("");
        assert_eq!((config.address.as_deref(), config.token.as_deref()), (Some("h:1"), Some("t")));
    }

    #[test]
    fn the_token_file_wins_unless_blank() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let config = Config::default().token("t").token_file(file.path());
        assert_eq!(config.effective_token().unwrap().as_deref(), Some("t"));
        std::fs::write(file.path(), " from-file \n").unwrap();
        assert_eq!(config.effective_token().unwrap().as_deref(), Some("from-file"));
    }

    #[test]
    fn a_missing_token_file_is_named() {
        let error = Config::default().token_file("no/such").effective_token().unwrap_err();
        assert_eq!(error.to_string(), "Error loading token file: open no/such: no such file or directory");
    }

    #[test]
    fn secrets_are_not_printed() {
        let shown = format!("{:?}", Config::default().token("s3cret").basic_auth("me", "pa55"));
        assert!(!shown.contains("s3cret") && !shown.contains("pa55"), "{shown}");
    }
}
