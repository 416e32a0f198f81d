//! Definitions from configuration files and from earlier runs, at the start and at a reload
//! (`docs/spec/server-operations.md` §12.6, `docs/spec/config.md` §13, §14).

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use config::{CheckDefinition, Secret, ServiceDefinition};
use tokio::time::Instant;
use types::CheckStatus;
use wire::quote::go_quote;

use super::convert::{self, NewCheck, NewService};
use super::registry::Registry;
use super::{LocalError, Shared, Source, kind, persisted};
use crate::AgentError;

/// Definitions of configuration files, complete and admitted.
struct Definitions {
    services: Vec<NewService>,
    checks: Vec<NewCheck>,
}

impl Shared {
    /// Takes in what files define and what earlier runs left. Of two definitions of one ID that of the configuration
    /// wins, and the other is removed from the data directory.
    ///
    /// # Errors
    /// [`AgentError::Definition`].
    pub(crate) fn load(
        &self,
        services: Vec<ServiceDefinition>,
        checks: Vec<CheckDefinition>,
    ) -> Result<(), AgentError> {
        let definitions = self.definitions(services, checks)?;
        for new in definitions.services {
            self.change(|registry, now| registry.put_with_checks(new, Source::File, now));
        }
        self.restore_services();
        for new in definitions.checks {
            let name = new.check.name.clone();
            let put = self.change(|registry, now| registry.put_check(new, Source::File, now));
            put.map_err(|error| check_fault(&name, &error))?;
        }
        self.restore_checks();
        Ok(())
    }

    /// Replaces what files defined before. Nothing is changed if something is wrong with the new definitions.
    ///
    /// # Errors
    /// [`AgentError::Definition`].
    pub(super) fn reload(
        &self,
        services: Vec<ServiceDefinition>,
        checks: Vec<CheckDefinition>,
    ) -> Result<(), AgentError> {
        let definitions = self.definitions(services, checks)?;
        let services: Vec<String> = definitions.services.iter().map(|new| new.service.id.clone()).collect();
        let of_services = definitions.services.iter().flat_map(|new| &new.checks);
        let checks: Vec<String> =
            of_services.chain(&definitions.checks).map(|new| new.check.check_id.clone()).collect();
        // What is registered over the API lives on in the data directory; without one a reload forgets it.
        let keep_api = self.files.is_some();
        self.paused.store(true, Ordering::Release);
        let replaced = self.change(|registry, now| registry.replace_from_files(definitions, keep_api, now));
        self.paused.store(false, Ordering::Release);
        self.change(|registry, _| registry.services_changed());
        let orphans = replaced?;
        self.purge(&services, &checks, &orphans);
        Ok(())
    }

    fn definitions(
        &self,
        services: Vec<ServiceDefinition>,
        checks: Vec<CheckDefinition>,
    ) -> Result<Definitions, AgentError> {
        let node = self.node_name();
        let settings = self.settings.read().clone();
        let mut definitions = Definitions { services: Vec::new(), checks: Vec::new() };
        for definition in services {
            let name = definition.name.clone();
            let mut new = convert::service(definition, &node, Source::File, &settings)
                .map_err(|error| service_fault(&name, &error))?;
            new.checks.iter_mut().for_each(|check| self.restore_state(check));
            definitions.services.push(new);
        }
        for definition in checks {
            let new = convert::check(&definition, &node, Source::File)
                .and_then(|new| convert::admit(&new.spec, Source::File, &settings).map(|()| new));
            let mut new = new.map_err(|error| check_fault(&definition.spec.name, &error))?;
            self.restore_state(&mut new);
            definitions.checks.push(new);
        }
        Ok(definitions)
    }

    fn restore_services(&self) {
        let Some(files) = &self.files else { return };
        for kept in files.services().into_iter().filter(|kept| !kept.service.service.is_empty()) {
            let id = kept.service.id.clone();
            if self.registry.lock().service(&id).is_some() {
                note("service", &id, files.remove_service(&id));
                continue;
            }
            let token = Secret(kept.token);
            self.change(|registry, now| registry.put_service(kept.service, token, Source::Api, now));
        }
    }

    fn restore_checks(&self) {
        let Some(files) = &self.files else { return };
        let node = self.node_name();
        let settings = self.settings.read().clone();
        for kept in files.checks().into_iter().filter(|kept| !kept.check.check_id.is_empty()) {
            let source = persisted::source(&kept.source).unwrap_or(Source::Api);
            let mut new = kept.into_new();
            let id = new.check.check_id.clone();
            if self.registry.lock().check(&id).is_some() {
                note("check", &id, files.remove_check_definition(&id));
                continue;
            }
            // Nothing is known about it any more, except what was sent in a short while ago.
            CheckStatus::Critical.as_str().clone_into(&mut new.check.status);
            new.check.exposed_port = 0;
            new.check.node.clone_from(&node);
            self.restore_state(&mut new);
            let restored = convert::admit(&new.spec, source, &settings)
                .and_then(|()| self.change(|registry, now| registry.put_check(new, Source::Api, now)));
            if let Err(error) = restored {
                tracing::warn!(target: "agent", check = id.as_str(), error = %error, "Failed to restore check");
                note("check", &id, files.remove_check(&id));
            }
        }
    }

    /// Gives a check to which results are sent back what was last sent in for it.
    pub(super) fn restore_state(&self, new: &mut NewCheck) {
        if let Some(files) = &self.files
            && kind::ttl(&new.spec).is_some()
        {
            files.restore_state(&mut new.check, unix_now());
        }
    }

    /// Removes from the data directory what is defined by files now, and checks whose service is gone.
    fn purge(&self, services: &[String], checks: &[String], orphans: &[String]) {
        let Some(files) = &self.files else { return };
        for id in services {
            let _turn = self.stripe(id).lock();
            // Somebody may have registered it over the API since.
            if self.registry.lock().service(id).is_some_and(|record| record.source == Source::File) {
                note("service", id, files.remove_service(id));
            }
        }
        for id in checks {
            let _turn = self.stripe(id).lock();
            if self.registry.lock().check(id).is_some_and(|record| record.source == Source::File) {
                note("check", id, files.remove_check_definition(id));
            }
        }
        for id in orphans {
            let _turn = self.stripe(id).lock();
            if self.registry.lock().check(id).is_none() {
                note("check", id, files.remove_check(id));
            }
        }
    }
}

impl Registry {
    /// Takes in the definitions of files, then removes what files defined before and do not any more; without
    /// `keep_api`, what was registered over the API, too. Answers the checks that went with their service.
    fn replace_from_files(
        &mut self,
        definitions: Definitions,
        keep_api: bool,
        now: Instant,
    ) -> Result<Vec<String>, AgentError> {
        let services: BTreeSet<String> = definitions.services.iter().map(|new| new.service.id.clone()).collect();
        let of_services = definitions.services.iter().flat_map(|new| &new.checks);
        let checks: BTreeSet<String> =
            of_services.chain(&definitions.checks).map(|new| new.check.check_id.clone()).collect();
        let stays = |source: Source| source == Source::Api && keep_api;
        for new in &definitions.checks {
            let service_id = &new.check.service_id;
            let survives = || self.service(service_id).is_some_and(|record| stays(record.source));
            if !service_id.is_empty() && !services.contains(service_id) && !survives() {
                let error = LocalError::NoSuchServiceForCheck(service_id.clone());
                return Err(check_fault(&new.check.name, &error));
            }
        }
        for new in definitions.services {
            self.put_with_checks(new, Source::File, now);
        }
        for new in definitions.checks {
            let name = new.check.name.clone();
            self.put_check(new, Source::File, now).map_err(|error| check_fault(&name, &error))?;
        }
        let gone_services: Vec<String> = self
            .live_services()
            .filter(|(id, record)| !services.contains(*id) && !stays(record.source))
            .map(|(id, _)| id.clone())
            .collect();
        let gone_checks: Vec<String> = self
            .live_checks()
            .filter(|(id, record)| !checks.contains(*id) && !stays(record.source))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone_checks {
            self.remove_check(&id, now);
        }
        let mut orphans = Vec::new();
        for id in gone_services {
            orphans.extend(self.remove_service(&id, now).unwrap_or_default());
        }
        Ok(orphans)
    }
}

fn service_fault(name: &str, error: &LocalError) -> AgentError {
    AgentError::Definition(format!("Failed to register service {}: {error}", go_quote(name)))
}

fn check_fault(name: &str, error: &LocalError) -> AgentError {
    AgentError::Definition(format!("Failed to register check '{name}': {error}"))
}

/// Seconds since 1970.
pub(super) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// What could not be removed comes back at the next start, where it is removed again or goes on being known.
pub(super) fn note(what: &str, id: &str, removed: std::io::Result<()>) {
    if let Err(error) = removed {
        tracing::warn!(target: "agent", id, error = %error, "could not remove a persisted {what}");
    }
}
