//! What doors ask for: registration, deregistration, results that are sent in (`docs/spec/http-api.md` §3.4, §3.6).
//!
//! Each of them changes files and the registry in one go, away from the async threads where there are files, and then
//! waits until what it changed was written to the catalog, or could not be.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use config::{CheckDefinition, ServiceDefinition};
use tokio::sync::oneshot;
use types::CheckStatus;
use wire::quote::go_quote;

use super::convert::{self, NewCheck, NewService};
use super::load::{note, unix_now};
use super::persisted::{PersistedCheck, PersistedService, PersistedState};
use super::registry::{Item, Registry};
use super::sync::Ticket;
use super::{CheckSettings, LocalError, Shared, Source, kind};
use crate::{Agent, AgentError};

/// A registration does not wait longer for its write to the catalog: a little more than servers hold a request while
/// there is no leader. What is not written then is written later.
const PUSH_PATIENCE: Duration = Duration::from_secs(8);

impl Agent {
    /// Registers a service or replaces it, and keeps it over restarts if it comes over the API. Returns after one try
    /// to write it to the catalog; a try that fails is only logged, and repeated.
    ///
    /// `replace_existing_checks`: checks the service had and does not define any more go.
    ///
    /// # Errors
    /// What is wrong with the definition, or what kept it from being written to the data directory: nothing was
    /// registered then.
    pub async fn register_service(
        &self,
        definition: ServiceDefinition,
        source: Source,
        replace_existing_checks: bool,
    ) -> Result<(), LocalError> {
        let add = move |shared: &Shared| shared.add_service(definition, source, replace_existing_checks);
        self.apply(add).await
    }

    /// Removes a service with its checks.
    ///
    /// # Errors
    /// [`LocalError::UnknownService`], [`LocalError::Persist`].
    pub async fn deregister_service(&self, id: &str) -> Result<(), LocalError> {
        let id = id.to_owned();
        self.apply(move |shared| shared.delete_service(&id)).await
    }

    /// Registers a check or replaces it; one that is replaced keeps its status and output. As
    /// [`Agent::register_service`].
    ///
    /// # Errors
    /// [`LocalError::NoSuchServiceForCheck`]; what this agent does not run ([`LocalError::Refused`]), which also
    /// removes a check of this ID, as in the reference; [`LocalError::Persist`].
    pub async fn register_check(&self, definition: CheckDefinition, source: Source) -> Result<(), LocalError> {
        self.apply(move |shared| shared.add_check(&definition, source)).await
    }

    /// Removes a check.
    ///
    /// # Errors
    /// [`LocalError::UnknownCheck`], [`LocalError::Persist`].
    pub async fn deregister_check(&self, id: &str) -> Result<(), LocalError> {
        let id = id.to_owned();
        self.apply(move |shared| shared.delete_check(&id)).await
    }

    /// Takes in a result of a check that has none of its own, and starts its time again. Output over the bound is cut.
    ///
    /// # Errors
    /// [`LocalError::UnknownCheck`], [`LocalError::NoTtl`], [`LocalError::Persist`].
    pub async fn update_ttl(&self, check_id: &str, status: CheckStatus, output: &str) -> Result<(), LocalError> {
        let (id, output) = (check_id.to_owned(), output.to_owned());
        self.apply(move |shared| shared.report_ttl(&id, status, &output)).await
    }

    /// Replaces what configuration files define by these definitions. Status and output of checks survive; without a
    /// data directory what was registered over the API does not.
    ///
    /// # Errors
    /// [`AgentError::Definition`]; nothing is changed then.
    pub async fn reload_definitions(
        &self,
        services: Vec<ServiceDefinition>,
        checks: Vec<CheckDefinition>,
    ) -> Result<(), AgentError> {
        let shared = self.local().shared.clone();
        tokio::task::spawn_blocking(move || shared.reload(services, checks))
            .await
            .unwrap_or_else(|_| Err(AgentError::Reload(STOPPING.to_owned())))
    }

    /// Changes the rules for checks, those that run already included as far as their outputs go.
    pub fn set_check_settings(&self, settings: CheckSettings) {
        self.local().shared.set_check_settings(settings);
    }

    /// Replaces the node's metadata. The catalog follows at once.
    pub fn set_node_meta(&self, meta: BTreeMap<String, String>) {
        self.local().shared.change(|registry, _| registry.set_node_meta(meta));
    }

    /// Compares everything with the catalog within a few seconds, as after a change of tokens.
    pub fn compare_soon(&self) {
        self.local().shared.compare_soon();
    }

    /// Carries out a change and waits for one try to write it to the catalog.
    pub(super) async fn apply(
        &self,
        act: impl FnOnce(&Shared) -> Result<Vec<Item>, LocalError> + Send + 'static,
    ) -> Result<(), LocalError> {
        let shared = self.local().shared.clone();
        let items = if shared.files.is_none() {
            act(&shared)?
        } else {
            // Not cut short when the caller goes away: files and registry change together or not at all.
            let done = tokio::task::spawn_blocking(move || act(&shared)).await;
            done.unwrap_or_else(|_| Err(LocalError::Refused(STOPPING.to_owned())))?
        };
        self.push(items).await;
        Ok(())
    }

    async fn push(&self, items: Vec<Item>) {
        if items.is_empty() {
            return;
        }
        let (done, landed) = oneshot::channel();
        let tickets = &self.local().shared.tickets;
        let pushed = async {
            if tickets.send(Ticket::new(items, done)).await.is_ok() {
                // Without an answer the agent is stopping.
                let _ = landed.await;
            }
        };
        tokio::select! {
            () = self.stopping().cancelled() => {}
            // What is not written in time is written later.
            _ = tokio::time::timeout(PUSH_PATIENCE, pushed) => {}
        }
    }
}

const STOPPING: &str = "the agent is stopping";

impl Shared {
    fn add_service(
        &self,
        definition: ServiceDefinition,
        source: Source,
        replace_existing_checks: bool,
    ) -> Result<Vec<Item>, LocalError> {
        let settings = self.settings.read().clone();
        let mut new = convert::service(definition, &self.node_name(), source, &settings)?;
        let id = new.service.id.clone();
        let _turn = self.stripe(&id).lock();
        if source == Source::Api {
            self.keep_service(&new)?;
        }
        new.checks.iter_mut().for_each(|check| self.restore_state(check));
        let defined: Vec<String> = new.checks.iter().map(|new| new.check.check_id.clone()).collect();
        let (items, dropped) = self.change(|registry, now| {
            registry.put_with_checks(new, source, now);
            let dropped: Vec<String> = if replace_existing_checks {
                let ids = registry.live_checks_of(&id).map(|(check, _)| check);
                ids.filter(|check| !defined.contains(check)).cloned().collect()
            } else {
                Vec::new()
            };
            for check in &dropped {
                registry.remove_check(check, now);
            }
            let checks = defined.iter().chain(&dropped).map(|check| Item::Check(check.clone()));
            (to_be_written(registry, [Item::Service(id.clone())].into_iter().chain(checks)), dropped)
        });
        self.forget_checks(&dropped);
        Ok(items)
    }

    /// Writes a service with its checks to the data directory, the service last: without it the checks are not
    /// restored. What could not be written whole does not stay unless it was there before.
    fn keep_service(&self, new: &NewService) -> Result<(), LocalError> {
        let Some(files) = &self.files else { return Ok(()) };
        let written = new.checks.iter().try_for_each(|check| files.write_check(&PersistedCheck::new(check)));
        let written =
            written.and_then(|()| files.write_service(&PersistedService::new(new.service.clone(), &new.token)));
        let Err(error) = written else { return Ok(()) };
        for check in &new.checks {
            let check = &check.check.check_id;
            if self.registry.lock().check(check).is_none() {
                note("check", check, files.remove_check(check));
            }
        }
        Err(not_kept("service", &new.service.id)(error))
    }

    fn delete_service(&self, id: &str) -> Result<Vec<Item>, LocalError> {
        let unknown = || LocalError::UnknownService(id.to_owned());
        let _turn = self.stripe(id).lock();
        if self.registry.lock().service(id).is_none() {
            return Err(unknown());
        }
        if let Some(files) = &self.files {
            files.remove_service(id).map_err(not_kept("service", id))?;
        }
        let removed = self.change(|registry, now| {
            let checks = registry.remove_service(id, now)?;
            Some((to_be_written(registry, [Item::Service(id.to_owned())].into_iter()), checks))
        });
        let (items, checks) = removed.ok_or_else(unknown)?;
        self.forget_checks(&checks);
        Ok(items)
    }

    pub(super) fn add_check(&self, definition: &CheckDefinition, source: Source) -> Result<Vec<Item>, LocalError> {
        let new = convert::check(definition, &self.node_name(), source)?;
        let id = new.check.check_id.clone();
        let service_id = &new.check.service_id;
        if !service_id.is_empty() && self.registry.lock().service(service_id).is_none() {
            return Err(LocalError::NoSuchServiceForCheck(service_id.clone()));
        }
        let settings = self.settings.read().clone();
        if let Err(refused) = convert::admit(&new.spec, source, &settings) {
            // As in the reference: what cannot be replaced does not go on either (`docs/spec/http-api.md` §3.6).
            return match self.delete_check(&id) {
                Ok(_) | Err(LocalError::UnknownCheck(_)) => Err(refused),
                Err(error) => Err(error),
            };
        }
        self.put_check(new, source)
    }

    /// Adds a check whose definition is in order.
    pub(super) fn put_check(&self, mut new: NewCheck, source: Source) -> Result<Vec<Item>, LocalError> {
        let id = new.check.check_id.clone();
        let _turn = self.stripe(&id).lock();
        if let Some(files) = &self.files
            && source == Source::Api
        {
            files.write_check(&PersistedCheck::new(&new)).map_err(not_kept("check", &id))?;
        }
        self.restore_state(&mut new);
        let put = self.change(|registry, now| -> Result<Vec<Item>, LocalError> {
            registry.put_check(new, source, now)?;
            Ok(to_be_written(registry, [Item::Check(id.clone())].into_iter()))
        });
        if put.is_err() {
            // Its service went meanwhile.
            self.forget_checks(std::slice::from_ref(&id));
        }
        put
    }

    /// Removes a check.
    ///
    /// # Errors
    /// [`LocalError::UnknownCheck`], [`LocalError::Persist`].
    pub(super) fn delete_check(&self, id: &str) -> Result<Vec<Item>, LocalError> {
        let unknown = || LocalError::UnknownCheck(id.to_owned());
        let _turn = self.stripe(id).lock();
        if self.registry.lock().check(id).is_none() {
            return Err(unknown());
        }
        if let Some(files) = &self.files {
            files.remove_check(id).map_err(not_kept("check", id))?;
        }
        self.change(|registry, now| {
            if !registry.remove_check(id, now) {
                return Err(unknown());
            }
            Ok(to_be_written(registry, [Item::Check(id.to_owned())].into_iter()))
        })
    }

    fn report_ttl(&self, id: &str, status: CheckStatus, output: &str) -> Result<Vec<Item>, LocalError> {
        let settings = self.settings.read().clone();
        let _turn = self.stripe(id).lock();
        let (ttl, output) = {
            let registry = self.registry.lock();
            let ttl = registry.ttl_of(id)?;
            let own = registry.check(id).map(|record| kind::output_max_bytes(&record.spec, settings.output_max_bytes));
            (ttl, checks::output::head(output, own.unwrap_or(settings.output_max_bytes)))
        };
        let items = self.change(|registry, now| -> Result<Vec<Item>, LocalError> {
            registry.report_ttl(id, status, &output, now)?;
            Ok(to_be_written(registry, [Item::Check(id.to_owned())].into_iter()))
        })?;
        if let Some(files) = &self.files {
            let ttl_secs = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
            let state = PersistedState {
                check_id: id.to_owned(),
                output: if settings.discard_output { String::new() } else { output },
                status: status.as_str().to_owned(),
                expires: unix_now().saturating_add(ttl_secs),
            };
            files.write_state(&state).map_err(not_kept("state of check", id))?;
        }
        Ok(items)
    }

    /// Removes files of checks that are gone.
    fn forget_checks(&self, ids: &[String]) {
        let Some(files) = &self.files else { return };
        for id in ids {
            note("check", id, files.remove_check(id));
        }
    }
}

/// What to say when something about this ID could not be written to, or removed from, the data directory.
fn not_kept(what: &str, id: &str) -> impl FnOnce(io::Error) -> LocalError {
    let what = format!("{what} {}", go_quote(id));
    move |error| LocalError::Persist { what, error: error.to_string() }
}

/// Those of `items` that wait to be written.
fn to_be_written(registry: &Registry, items: impl Iterator<Item = Item>) -> Vec<Item> {
    items.filter(|item| registry.dirty.contains(item)).collect()
}
