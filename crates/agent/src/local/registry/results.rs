//! Results of checks: when one counts, and when it is written (`docs/spec/server-operations.md` §12.5, §12.7, §13.3).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use types::CheckStatus;

use super::{CheckRecord, Item, Progress, Registry};
use crate::local::{LocalError, kind};

impl Registry {
    /// A result was sent in: starts the check's time again.
    ///
    /// # Errors
    /// [`LocalError::UnknownCheck`], [`LocalError::NoTtl`].
    pub(in crate::local) fn report_ttl(
        &mut self,
        id: &str,
        status: CheckStatus,
        output: &str,
        now: Instant,
    ) -> Result<(), LocalError> {
        let ttl = self.ttl_of(id)?;
        self.ttls.set(id, now + ttl);
        if let Some(record) = self.checks.get_mut(id) {
            output.clone_into(&mut record.ttl_output);
        }
        self.set_status(id, status, output.to_owned(), now);
        Ok(())
    }

    /// The time of a check to which results are sent.
    ///
    /// # Errors
    /// As [`Registry::report_ttl`].
    pub(in crate::local) fn ttl_of(&self, id: &str) -> Result<Duration, LocalError> {
        let record = self.check(id).ok_or_else(|| LocalError::UnknownCheck(id.to_owned()))?;
        kind::ttl(&record.spec).ok_or_else(|| LocalError::NoTtl(id.to_owned()))
    }

    /// Makes checks critical whose time is over; answers their IDs.
    pub(in crate::local) fn expire_ttls(&mut self, now: Instant) -> Vec<String> {
        let expired = self.ttls.take_due(now);
        for id in &expired {
            let output = match self.checks.get(id).map(|record| record.ttl_output.as_str()) {
                None | Some("") => "TTL expired".to_owned(),
                Some(last) => format!("TTL expired (last output before timeout follows): {last}"),
            };
            self.set_status(id, CheckStatus::Critical, output, now);
        }
        expired
    }

    /// Takes over a result. Nothing happens to a check that is not there any more.
    pub(in crate::local) fn set_status(&mut self, id: &str, status: CheckStatus, output: String, now: Instant) {
        if !self.store_status(id, status, output, now) {
            return;
        }
        if let Some(service_id) = self.checks.get(id).map(|record| record.check.service_id.clone()) {
            self.refresh_aliases(&service_id, now);
        }
    }

    /// Stores a result and decides when it is to be written; false if it says nothing new.
    pub(in crate::local) fn store_status(
        &mut self,
        id: &str,
        status: CheckStatus,
        output: String,
        now: Instant,
    ) -> bool {
        let output = if self.rules.discard { String::new() } else { output };
        let Some(record) = self.checks.get_mut(id).filter(|record| !record.progress.deleted) else { return false };
        record.critical_since = match status {
            CheckStatus::Critical => record.critical_since.or(Some(now)),
            _ => None,
        };
        let same_status = record.check.status == status.as_str();
        if same_status && record.check.output == output {
            return false;
        }
        let check = Arc::make_mut(&mut record.check);
        check.output = output;
        if same_status && !self.rules.update_interval.is_zero() {
            if !self.deferred.contains(id) {
                let late = self.deferral();
                self.deferred.set(id, now + late);
            }
            return true;
        }
        status.as_str().clone_into(&mut check.status);
        self.make_check_dirty(id);
        true
    }

    /// Half the interval and a random part of it.
    fn deferral(&mut self) -> Duration {
        // xorshift64: the spread only has to keep checks from being written at the same moment.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let interval = self.rules.update_interval;
        interval / 2 + interval.mul_f64(self.random as f64 / 2_f64.powi(64))
    }

    /// Outputs that have waited long enough are to be written now.
    pub(in crate::local) fn release_deferred(&mut self, now: Instant) {
        for id in self.deferred.take_due(now) {
            self.make_check_dirty(&id);
        }
    }

    fn make_check_dirty(&mut self, id: &str) {
        let version = self.tick();
        if let Some(record) = self.checks.get_mut(id) {
            record.progress = Progress { in_sync: false, version, touched: version, ..record.progress };
            self.deferred.remove(id);
            self.dirty.insert(Item::Check(id.to_owned()));
        }
    }

    /// Services whose check has been critical for too long, each with that check.
    pub(in crate::local) fn overdue(&self, now: Instant) -> Vec<(String, String)> {
        let is_overdue = |record: &CheckRecord| {
            let after = record.spec.deregister_critical_service_after;
            !after.is_zero() && record.critical_since.is_some_and(|since| now.duration_since(since) > after)
        };
        let mut overdue: Vec<(String, String)> = self
            .live_checks()
            .filter(|(_, record)| !record.check.service_id.is_empty() && is_overdue(record))
            .map(|(id, record)| (record.check.service_id.clone(), id.clone()))
            .collect();
        overdue.sort();
        overdue.dedup_by(|a, b| a.0 == b.0);
        overdue
    }
}
