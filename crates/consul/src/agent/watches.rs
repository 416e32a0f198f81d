//! Watches of the configuration: a handler runs at the start and at every change (`docs/spec/server-operations.md` §14).

mod handler;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use api::{Client, Config, QueryMeta, QueryOptions, ServiceQuery};
use config::{ListenerAddress, RuntimeConfig, WatchDefinition, WatchKind};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::start_error::StartError;

/// The watches that run.
#[derive(Default)]
pub(super) struct Watches {
    tasks: Vec<JoinHandle<()>>,
    stopping: CancellationToken,
}

/// What a watch saw: the data as JSON, and its index.
type Results = BoxStream<'static, api::Result<(Vec<u8>, u64)>>;

impl Watches {
    /// Starts every watch of the configuration; none is started if one of them is not usable.
    pub(super) fn start(config: &RuntimeConfig) -> Result<Watches, StartError> {
        Ok(Plan::new(config)?.start())
    }

    /// Ends every watch and its running handler.
    pub(super) async fn stop(self) {
        self.stopping.cancel();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(target: "agent.watch", error = %error, "watch ended abnormally");
            }
        }
    }
}

/// Watches that can be started: nothing runs yet.
#[derive(Default)]
pub(super) struct Plan(Vec<(WatchDefinition, Results)>);

impl Plan {
    /// Reads every watch of the configuration.
    pub(super) fn new(config: &RuntimeConfig) -> Result<Plan, StartError> {
        let parsed: Result<Vec<_>, _> = config.watches.iter().map(WatchDefinition::parse).collect();
        let definitions = parsed.map_err(StartError::Watch)?;
        if definitions.is_empty() {
            return Ok(Plan::default());
        }
        let address = own_address(config).ok_or(StartError::WatchWithoutEndpoint)?;
        let planned = definitions.into_iter().map(|definition| {
            let results = results(client(&address, &definition)?, &definition)?;
            Ok((definition, results))
        });
        Ok(Plan(planned.collect::<Result<_, StartError>>()?))
    }

    /// Starts them.
    pub(super) fn start(self) -> Watches {
        let stopping = CancellationToken::new();
        let follow = |(definition, results)| tokio::spawn(follow(results, definition, stopping.clone()));
        Watches { tasks: self.0.into_iter().map(follow).collect(), stopping: stopping.clone() }
    }
}

async fn follow(mut results: Results, definition: WatchDefinition, stopping: CancellationToken) {
    let kind = kind_name(&definition.kind);
    let run = async {
        while let Some(result) = results.next().await {
            match result {
                Ok((data, index)) => handler::run(&definition.handler, data, index).await,
                Err(error) => {
                    tracing::error!(target: "agent.watch", r#type = kind, error = %error, "Watch errored");
                }
            }
        }
    };
    tokio::select! {
        () = run => {}
        () = stopping.cancelled() => {}
    }
}

/// How this process reaches its own HTTP API.
fn own_address(config: &RuntimeConfig) -> Option<String> {
    let plain = config.http.addresses.first().map(|address| ("http", address));
    let (scheme, address) = plain.or_else(|| config.http.https_addresses.first().map(|address| ("https", address)))?;
    Some(match address {
        ListenerAddress::Unix(path) => format!("unix://{}", path.display()),
        ListenerAddress::Tcp(address) => {
            let ip = match address.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                ip => ip,
            };
            format!("{scheme}://{}", std::net::SocketAddr::new(ip, address.port()))
        }
    })
}

fn client(address: &str, definition: &WatchDefinition) -> Result<Client, StartError> {
    let mut config = Config::default().address(address);
    config.datacenter = Some(definition.datacenter.clone()).filter(|dc| !dc.is_empty());
    config.token = Some(definition.token.0.clone()).filter(|token| !token.is_empty());
    // The agent talks to itself: the name in its certificate need not be its address.
    config.tls.skip_verify = true;
    Client::new(config).map_err(|error| StartError::WatchClient(error.to_string()))
}

fn results(client: Client, definition: &WatchDefinition) -> Result<Results, StartError> {
    let options = if definition.stale { QueryOptions::new().stale() } else { QueryOptions::new() };
    let (kv, catalog, health) = (client.kv(), client.catalog(), client.health());
    Ok(match definition.kind.clone() {
        WatchKind::Key { key } => rendered(kv.watch(key, options)),
        WatchKind::KeyPrefix { prefix } => {
            // No keys are no list, which programs tell from an empty one.
            let found = kv.watch_prefix(prefix, options);
            rendered(found.map(|result| result.map(|(pairs, meta)| ((!pairs.is_empty()).then_some(pairs), meta))))
        }
        WatchKind::Services => rendered(catalog.watch_services(options)),
        WatchKind::Nodes => rendered(catalog.watch_nodes(options)),
        WatchKind::Service { service, tags, passing_only } => {
            let query = tags.iter().fold(ServiceQuery::new(service), ServiceQuery::tag);
            rendered(health.watch_service(if passing_only { query.passing() } else { query }, options))
        }
        WatchKind::Checks { service, .. } if !service.is_empty() => rendered(health.watch_checks(service, options)),
        WatchKind::Checks { state, .. } => {
            rendered(health.watch_state(if state.is_empty() { "any".to_owned() } else { state }, options))
        }
        WatchKind::Event { name } => rendered(client.event().watch(name, options)),
        WatchKind::AgentService { .. } => {
            return Err(StartError::WatchClient("watch type agent_service is not there yet".to_owned()));
        }
    })
}

fn rendered<T: Serialize + 'static>(
    results: impl Stream<Item = api::Result<(T, QueryMeta)>> + Send + 'static,
) -> Results {
    let render = |result: api::Result<(T, QueryMeta)>| {
        let (data, meta) = result?;
        let json = serde_json::to_vec(&data).map_err(|error| api::Error::InvalidArgument(error.to_string()))?;
        Ok((json, meta.last_index))
    };
    results.map(render).boxed()
}

fn kind_name(kind: &WatchKind) -> &'static str {
    match kind {
        WatchKind::Key { .. } => "key",
        WatchKind::KeyPrefix { .. } => "keyprefix",
        WatchKind::Services => "services",
        WatchKind::Nodes => "nodes",
        WatchKind::Service { .. } => "service",
        WatchKind::Checks { .. } => "checks",
        WatchKind::Event { .. } => "event",
        WatchKind::AgentService { .. } => "agent_service",
    }
}
