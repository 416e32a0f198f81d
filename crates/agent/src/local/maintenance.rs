//! Maintenance mode: a critical check without a task (`docs/spec/server-operations.md` §11).

use std::sync::Arc;

use config::Secret;
use types::{CheckStatus, HealthCheck, NodeService};

use super::convert::NewCheck;
use super::registry::Item;
use super::{LocalError, Shared, Source};
use crate::Agent;

const NODE_CHECK: &str = "_node_maintenance";
const SERVICE_CHECK_PREFIX: &str = "_service_maintenance:";
const TYPE: &str = "maintenance";
const NODE_REASON: &str =
    "Maintenance mode is enabled for this node, but no reason was provided. This is a default message.";
const SERVICE_REASON: &str =
    "Maintenance mode is enabled for this service, but no reason was provided. This is a default message.";

impl Agent {
    /// Enters maintenance mode for a reason (empty: a default text), or leaves it for none. Doing it twice changes
    /// nothing; a failure to write it to the data directory is logged.
    pub async fn set_node_maintenance(&self, reason: Option<&str>, token: &str) {
        let (reason, token) = (reason.map(str::to_owned), Secret(token.to_owned()));
        if let Err(error) = self.apply(move |shared| shared.set_node_maintenance(reason, token)).await {
            tracing::error!(target: "agent", error = %error, "maintenance mode could not be changed");
        }
    }

    /// As [`Agent::set_node_maintenance`], for one service.
    ///
    /// # Errors
    /// [`LocalError::UnknownService`], [`LocalError::Persist`].
    pub async fn set_service_maintenance(
        &self,
        service_id: &str,
        reason: Option<&str>,
        token: &str,
    ) -> Result<(), LocalError> {
        let (id, reason, token) = (service_id.to_owned(), reason.map(str::to_owned), Secret(token.to_owned()));
        self.apply(move |shared| shared.set_service_maintenance(&id, reason, token)).await
    }
}

impl Shared {
    fn set_node_maintenance(&self, reason: Option<String>, token: Secret) -> Result<Vec<Item>, LocalError> {
        let is_on = self.registry.lock().check(NODE_CHECK).is_some();
        match reason {
            None if is_on => {
                let items = self.delete_check(NODE_CHECK)?;
                tracing::info!(target: "agent", "Node left maintenance mode");
                Ok(items)
            }
            Some(reason) if !is_on => {
                let check = self.maintenance(NODE_CHECK, "Node Maintenance Mode", reason, NODE_REASON);
                let items = self.put_check(NewCheck { check, spec: Arc::default(), token }, Source::Api)?;
                tracing::info!(target: "agent", "Node entered maintenance mode");
                Ok(items)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn set_service_maintenance(
        &self,
        service_id: &str,
        reason: Option<String>,
        token: Secret,
    ) -> Result<Vec<Item>, LocalError> {
        let service = self.registry.lock().service(service_id).map(|record| record.service.clone());
        let service: Arc<NodeService> = service.ok_or_else(|| LocalError::UnknownService(service_id.to_owned()))?;
        let id = format!("{SERVICE_CHECK_PREFIX}{service_id}");
        let is_on = self.registry.lock().check(&id).is_some();
        match reason {
            None if is_on => {
                let items = self.delete_check(&id)?;
                tracing::info!(target: "agent", service = service_id, "Service left maintenance mode");
                Ok(items)
            }
            Some(reason) if !is_on => {
                let check = HealthCheck {
                    service_id: service_id.to_owned(),
                    service_name: service.service.clone(),
                    service_tags: service.tags.clone(),
                    ..self.maintenance(&id, "Service Maintenance Mode", reason, SERVICE_REASON)
                };
                let items = self.put_check(NewCheck { check, spec: Arc::default(), token }, Source::Api)?;
                tracing::info!(target: "agent", service = service_id, "Service entered maintenance mode");
                Ok(items)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn maintenance(&self, id: &str, name: &str, reason: String, default_reason: &str) -> HealthCheck {
        HealthCheck {
            node: self.node_name(),
            check_id: id.to_owned(),
            name: name.to_owned(),
            status: CheckStatus::Critical.as_str().to_owned(),
            notes: if reason.is_empty() { default_reason.to_owned() } else { reason },
            r#type: TYPE.to_owned(),
            ..HealthCheck::default()
        }
    }
}
