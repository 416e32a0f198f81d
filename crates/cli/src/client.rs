//! The client of the HTTP API, from flags and environment (docs/spec/cli.md §1.4).

use std::future::Future;

use api::{Client, Config, QueryOptions, WriteOptions};

use crate::error::{Error, Outcome};
use crate::flag::parse_bool;
use crate::invocation::Invocation;

/// Variables whose unreadable value is worth a warning: the second one then switches verification off.
const BOOLEAN_VARIABLES: &[&str] = &["CONSUL_HTTP_SSL", "CONSUL_HTTP_SSL_VERIFY"];

/// The client that the flags and the environment ask for. Nothing is sent yet.
pub(crate) fn connect(invocation: &Invocation<'_>) -> Result<Client, Error> {
    connect_with(invocation, |config| config)
}

/// As [`connect`], with settings of `files` that win over the environment and lose to the flags.
pub(crate) fn connect_with(invocation: &Invocation<'_>, files: impl FnOnce(Config) -> Config) -> Result<Client, Error> {
    let environment = invocation.environment;
    for name in BOOLEAN_VARIABLES {
        if let Some(value) = environment.get(name).filter(|value| parse_bool(value).is_none()) {
            invocation.terminal.complain(format!("[WARN] {name} is not a boolean: {value}"));
        }
    }
    let values = &invocation.values;
    let config = files(Config::from_vars(|name| environment.get(name).map(str::to_string)))
        .address(values.text("http-addr"))
        .token(values.text("token"))
        .token_file(values.text("token-file"))
        .ca_file(values.text("ca-file"))
        .ca_path(values.text("ca-path"))
        .client_cert(values.text("client-cert"))
        .client_key(values.text("client-key"))
        .tls_server_name(values.text("tls-server-name"))
        .datacenter(values.text("datacenter"))
        .namespace(values.text("namespace"))
        .partition(values.text("partition"));
    Client::new(config).map_err(|e| Error::failed(format!("{}{e}", invocation.command.no_client)))
}

/// The options of a read that honours `-stale`.
pub(crate) fn read_options(invocation: &Invocation<'_>) -> QueryOptions {
    if invocation.values.bool("stale") { QueryOptions::new().stale() } else { QueryOptions::new() }
}

/// The options of a write.
pub(crate) fn write_options() -> WriteOptions {
    WriteOptions::new()
}

/// Runs `work` to its end on this thread.
pub(crate) fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::failed(format!("Error starting the event loop: {e}")))?;
    runtime.block_on(work)
}
