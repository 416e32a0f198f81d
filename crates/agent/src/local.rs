//! Services registered with this agent: kept over restarts, and kept equal in the catalog.

mod files;
mod plan;
mod sync;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use types::NodeService;

use files::Files;
pub(crate) use sync::keep_in_sync;

/// A local registration could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The definition could not be written to, or removed from, the data directory.
    #[error("failed to persist service {id:?}: {error}")]
    Persist {
        /// ID of the service.
        id: String,
        /// What the file system said.
        error: std::io::Error,
    },
}

/// The services of this agent, by ID.
#[derive(Debug)]
pub struct Local {
    files: Option<Files>,
    services: Mutex<BTreeMap<String, Arc<NodeService>>>,
    changed: Notify,
}

impl Local {
    /// Opens what an earlier run left in `data_dir`; without one, nothing outlives the process.
    /// A file that cannot be read or decoded is logged and skipped.
    pub fn open(data_dir: Option<&Path>) -> Local {
        let files = data_dir.map(Files::new);
        let services = files.as_ref().map(Files::load).unwrap_or_default();
        let services = services.into_iter().map(|s| (s.id.clone(), Arc::new(s))).collect();
        Local { files, services: Mutex::new(services), changed: Notify::new() }
    }

    /// Adds or replaces a service.
    ///
    /// # Errors
    /// [`LocalError::Persist`]; the service is not registered then.
    pub fn add(&self, service: NodeService) -> Result<(), LocalError> {
        let id = service.id.clone();
        if let Some(files) = &self.files {
            files.write(&service).map_err(|error| LocalError::Persist { id: id.clone(), error })?;
        }
        self.services.lock().insert(id, Arc::new(service));
        self.changed.notify_one();
        Ok(())
    }

    /// Removes a service; false if there is none of this ID.
    ///
    /// # Errors
    /// [`LocalError::Persist`]; the service stays registered then.
    pub fn remove(&self, id: &str) -> Result<bool, LocalError> {
        if !self.services.lock().contains_key(id) {
            return Ok(false);
        }
        if let Some(files) = &self.files {
            files.remove(id).map_err(|error| LocalError::Persist { id: id.to_owned(), error })?;
        }
        self.services.lock().remove(id);
        self.changed.notify_one();
        Ok(true)
    }

    /// One service.
    pub fn service(&self, id: &str) -> Option<Arc<NodeService>> {
        self.services.lock().get(id).cloned()
    }

    /// All services, by ID.
    pub fn services(&self) -> Vec<Arc<NodeService>> {
        self.services.lock().values().cloned().collect()
    }

    /// Resolves at the next change; at once if there was one since it last did.
    async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(id: &str) -> NodeService {
        NodeService { id: id.to_owned(), service: "web".to_owned(), port: 80, ..NodeService::default() }
    }

    fn ids(local: &Local) -> Vec<String> {
        local.services().iter().map(|s| s.id.clone()).collect()
    }

    #[test]
    fn services_outlive_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let local = Local::open(Some(dir.path()));
        local.add(service("a")).unwrap();
        local.add(service("b/../c")).unwrap();
        assert!(local.remove("a").unwrap());
        let again = Local::open(Some(dir.path()));
        assert_eq!(ids(&again), ["b/../c"]);
        assert_eq!(again.service("b/../c"), local.service("b/../c"));
    }

    #[test]
    fn removing_what_is_not_there_says_so() {
        assert!(!Local::open(None).remove("a").unwrap());
    }

    #[test]
    fn a_damaged_file_is_skipped() {
        let dir = tempfile::tempdir().unwrap();
        Local::open(Some(dir.path())).add(service("a")).unwrap();
        std::fs::write(dir.path().join("services").join("0000"), b"{not json").unwrap();
        std::fs::write(dir.path().join("services").join("1111-x.tmp"), b"half").unwrap();
        assert_eq!(ids(&Local::open(Some(dir.path()))), ["a"]);
    }

    #[test]
    fn a_service_that_cannot_be_kept_is_not_registered() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("services"), b"a file where a folder should be").unwrap();
        let local = Local::open(Some(dir.path()));
        assert!(local.add(service("a")).is_err());
        assert!(ids(&local).is_empty());
    }
}
