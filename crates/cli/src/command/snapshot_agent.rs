//! `snapshot agent`: snapshots of the servers at an interval, kept in a folder or an object store.
//!
//! The reference sells this command; what it does follows its public documentation. As a daemon it contends for a lock,
//! so that of several only one, the leader, saves snapshots. The parts: `file` and `settings` say what to do, `take`
//! takes a snapshot, `store` and `s3` keep it, `id` and `schedule` are the rules of rotation and rhythm, `presence` is
//! the service among others.

mod file;
mod id;
mod log;
mod presence;
mod s3;
mod schedule;
mod settings;
mod store;
mod take;

use std::time::{Duration, Instant};

use api::{Client, HeldLock, QueryOptions};
use tokio::time::{sleep, timeout};

use self::id::SnapshotId;
use self::log::Log;
use self::presence::Presence;
use self::schedule::{Next, Schedule, pause_after_failure};
use self::settings::Settings;
use self::store::Store;
use super::shared::no_arguments;
use super::{Command, Run};
use crate::client::{block_on, connect_with};
use crate::error::{Error, Outcome};
use crate::flag::{Flag, Groups};
use crate::invocation::Invocation;
use crate::signal::Signals;

const SESSION_NAME: &str = "Consul Snapshot Agent";
/// How often in a row the agent may fail to say whether the lock is still held, two seconds apart.
const MONITOR_RETRIES: u32 = 5;
/// How long a snapshot may take until it is kept.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// How long the release of the lock may take; the session's TTL frees it otherwise.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "snapshot agent",
    "Saves snapshots at an interval",
    "[options]",
    "Saves snapshots of the servers at an interval, verifies them, and removes old ones. They go into a directory, or \
     into a bucket of S3 or a store that speaks its protocol, under names that grow with time: \
     consul-NANOSECONDS.snap. With -interval=0 it saves one and ends.\n\nStart it in several places, with the same \
     -lock-key, and one of them leads: only the leader saves snapshots, and when it fails another takes over. Each is \
     registered as a service with the agent it speaks to, with a check that says whether it is alive; the leader's has \
     another that says whether snapshots are saved. SIGINT and SIGTERM end it: it gives up the lock and \
     deregisters.\n\nFiles named by -config-file and -config-dir hold the same settings in JSON or HCL, in an object \
     named snapshot_agent; flags win over files, files over environment variables. Credentials are best kept out of \
     flags, which other users of the machine can see. With ACLs, the token needs acl:write, key:write on the lock key, \
     session:write on the node and service:write on the service.",
    Run::Handler(snapshot_agent),
)
.examples(&[
    ("Keep the last day's, one an hour", "consul snapshot agent -retain=24 -local-path=/var/backups/consul"),
    ("Save one and end", "consul snapshot agent -interval=0 -local-path=/var/backups/consul"),
    (
        "Keep them in a bucket",
        "consul snapshot agent -aws-s3-bucket=backups -aws-s3-region=eu-west-1 -config-file=/etc/consul-snapshot.json",
    ),
])
.groups(Groups::CS)
.flags_of_its_own(&[
    Flag::text("aws-access-key-id", "Access key of the object store. Without it and its secret, AWS_ACCESS_KEY_ID."),
    Flag::bool("aws-s3-enable-kms", "Let the store encrypt snapshots with a key of its key management service."),
    Flag::text("aws-s3-bucket", "Bucket to keep snapshots in, in place of a directory.").hint("name"),
    Flag::text(
        "aws-s3-endpoint",
        "Where a store is that is not Amazon's: https://HOST:PORT or http://HOST:PORT. The bucket then stands in the \
         path. Without the flag, AWS_S3_ENDPOINT.",
    )
    .hint("url"),
    Flag::bool("aws-s3-force-path-style", "Name the bucket in the path, not in the host, at Amazon's, too."),
    Flag::text("aws-s3-key-prefix", "What the keys of snapshots begin with, before a slash.")
        .hint("prefix")
        .defaults_to("consul-snapshot"),
    Flag::text("aws-s3-kms-key", "Key to encrypt with, with -aws-s3-enable-kms, in place of the account's own."),
    Flag::text("aws-s3-region", "Region of the bucket. Without the flag, AWS_REGION.").hint("name"),
    Flag::bool("aws-s3-server-side-encryption", "Let the store encrypt snapshots with keys of its own."),
    Flag::text(
        "aws-s3-static-snapshot-name",
        "Key of every snapshot, each replacing the one before; for buckets that keep versions. Nothing is removed.",
    )
    .hint("key"),
    Flag::text("aws-secret-access-key", "Secret of -aws-access-key-id. Without both, AWS_SECRET_ACCESS_KEY."),
    Flag::text("aws-session-token", "Token of temporary credentials. Without any credentials, AWS_SESSION_TOKEN."),
    Flag::list("config-dir", "Directory whose .json and .hcl files are read in alphabetical order. Repeatable.")
        .hint("path"),
    Flag::list("config-file", "File with settings, .json or .hcl. Repeatable; later ones win.").hint("path"),
    Flag::duration("deregister-after", "How long the service may be critical before it is deregistered; 0 for ever.")
        .defaults_to("72h"),
    Flag::duration("interval", "Time from one snapshot to the next; 0 saves one and ends.").defaults_to("1h"),
    Flag::text("local-path", "Directory to keep snapshots in, unless a bucket is named.").hint("path").defaults_to("."),
    Flag::text(
        "local-scratch-path",
        "Directory for snapshots on their way to a bucket. Without it, that of TMPDIR, or /tmp.",
    )
    .hint("path"),
    Flag::text("lock-key", "Key whose lock makes the leader; the same everywhere.")
        .hint("key")
        .defaults_to("consul-snapshot/lock"),
    Flag::text("log-level", "Least important lines to print.")
        .hint("level")
        .defaults_to("info")
        .one_of(&["trace", "debug", "info", "warn", "error"]),
    Flag::int("max-failures", "Snapshots that may fail in a row before leadership is given up; 0 for any number.")
        .defaults_to("3"),
    Flag::int("retain", "How many snapshots to keep; 0 keeps all.").defaults_to("30"),
    Flag::text("service", "Name to be registered with.").hint("name").defaults_to("consul-snapshot"),
])];

fn snapshot_agent(invocation: &Invocation<'_>) -> Outcome {
    no_arguments(invocation)?;
    let files = file::read(&invocation.values)?;
    let (settings, target) = Settings::read(invocation, &files)?;
    let store = Store::new(target)?;
    let client = connect_with(invocation, |config| settings::connection(&files, config))?;
    let log = Log::new(invocation.terminal, settings.least_level);
    let agent = SnapshotAgent { client, settings, store, log };
    block_on(async {
        let mut signals = Signals::listen()?;
        if agent.settings.interval.is_zero() { agent.once(&mut signals).await } else { agent.serve(&mut signals).await }
    })
}

struct SnapshotAgent<'t> {
    client: Client,
    settings: Settings,
    store: Store,
    log: Log<'t>,
}

/// How a leadership came to its end.
enum Left {
    /// A signal ends the process.
    Stopped,
    /// The lock is no longer held.
    Lost,
    /// So many snapshots failed that another should try.
    GaveUp,
}

impl SnapshotAgent<'_> {
    /// Saves a single snapshot, whoever else does.
    async fn once(&self, signals: &mut Signals) -> Outcome {
        tokio::select! {
            _ = signals.next() => Err(Error::failed("Shutdown triggered before the snapshot was saved")),
            saved = self.save() => saved.map(drop),
        }
    }

    /// Saves snapshots while leading, until a signal comes.
    async fn serve(&self, signals: &mut Signals) -> Outcome {
        let started = tokio::select! {
            _ = signals.next() => return Ok(()),
            started = self.check_datacenter() => started,
        };
        started?;
        let Settings { service, deregister_after, .. } = &self.settings;
        let presence = Presence::new(&self.client, &self.log, service, *deregister_after);
        presence
            .register()
            .await
            .map_err(|cause| Error::failed(format!("Error registering service {service}: {cause}")))?;
        self.log.info("Snapshot agent running");
        tokio::select! {
            () = presence.keep() => {}
            () = self.contend(&presence, signals) => {}
        }
        presence.deregister().await;
        self.log.info("Snapshot agent ended");
        Ok(())
    }

    /// The service belongs to the agent's datacenter, and so do lock and snapshots.
    async fn check_datacenter(&self) -> Outcome {
        // The question takes a permission that is not needed otherwise.
        let Some(asked) = &self.client.config().datacenter else { return Ok(()) };
        let queried = self.client.agent().self_info(&QueryOptions::new()).await;
        let queried = queried.map_err(|e| Error::failed(format!("Error querying Consul agent: {e}")))?;
        match queried.config_text("Datacenter") {
            Some(own) if own != asked => Err(Error::failed(format!(
                "Snapshots of another datacenter ({asked}, not {own}) can only be saved singly, with -interval=0"
            ))),
            _ => Ok(()),
        }
    }

    /// Leads whenever it can, until a signal comes.
    async fn contend(&self, presence: &Presence<'_>, signals: &mut Signals) {
        loop {
            self.log.info("Waiting to obtain leadership...");
            let held = tokio::select! {
                _ = signals.next() => return,
                held = self.acquire() => held,
            };
            self.log.info("Obtained leadership");
            presence.lead().await;
            let left = self.lead(presence, &held, signals).await;
            presence.step_down().await;
            match left {
                Left::Stopped => return self.release(held).await,
                Left::Lost => {
                    self.log.warn("Lost leadership");
                    // Ends its session, if there still is one.
                    drop(held);
                }
                Left::GaveUp => self.release(held).await,
            }
            // Whoever waits for the lock is faster now.
            tokio::select! {
                _ = signals.next() => return,
                () = sleep(pause_after_failure(self.settings.interval)) => {}
            }
        }
    }

    /// Waits for the lock, however often that fails.
    async fn acquire(&self) -> HeldLock {
        loop {
            let lock = self.client.lock(self.settings.lock_key.as_str());
            match lock.session_name(SESSION_NAME).monitor_retries(MONITOR_RETRIES).acquire().await {
                Ok(held) => return held,
                Err(error) => self.log.error(format!("Leadership cannot be obtained: {error}")),
            }
            sleep(pause_after_failure(self.settings.interval)).await;
        }
    }

    async fn release(&self, held: HeldLock) {
        match timeout(RELEASE_TIMEOUT, held.release()).await {
            Ok(Ok(())) => self.log.info("Gave up leadership"),
            Ok(Err(error)) => self.log.warn(format!("Leadership ends with its session: {error}")),
            Err(_) => self.log.warn("Leadership ends with its session: the agent does not answer"),
        }
    }

    /// Saves snapshots for as long as the lock is held and enough of them succeed.
    async fn lead(&self, presence: &Presence<'_>, held: &HeldLock, signals: &mut Signals) -> Left {
        let mut schedule = Schedule::new(self.settings.interval, self.settings.max_failures);
        loop {
            let started = Instant::now();
            let saved = tokio::select! {
                _ = signals.next() => return Left::Stopped,
                () = held.lost() => return Left::Lost,
                saved = self.save() => saved,
            };
            let next = match saved {
                Ok(id) => {
                    presence.saved(format!("Saved snapshot {id}")).await;
                    schedule.saved(started.elapsed())
                }
                Err(error) => {
                    self.log.error(error.to_string());
                    presence.failed(error.to_string()).await;
                    schedule.failed()
                }
            };
            let pause = match next {
                Next::Wait(pause) => pause,
                Next::GiveUp(failures) => {
                    self.log.error(format!("Giving up leadership after {failures} failures"));
                    return Left::GaveUp;
                }
            };
            tokio::select! {
                _ = signals.next() => return Left::Stopped,
                () = held.lost() => return Left::Lost,
                () = sleep(pause) => {}
            }
        }
    }

    /// Takes a snapshot and keeps it, and then removes old ones. Dropping the future leaves nothing half done.
    async fn save(&self) -> Result<SnapshotId, Error> {
        let id = SnapshotId::now();
        let kept = async {
            let taken = take::take(&self.client, self.settings.stale, &self.settings.scratch, id).await?;
            self.store.keep(id, taken).await
        };
        match timeout(SNAPSHOT_TIMEOUT, kept).await {
            Ok(kept) => kept?,
            Err(_) => return Err(Error::failed(format!("Snapshot {id} took more than {SNAPSHOT_TIMEOUT:?}"))),
        }
        self.log.info(format!("Saved snapshot {id}"));
        // The snapshot is safe, so that this is no failure of it.
        match self.store.rotate(id, self.settings.retain).await {
            Ok(0) => {}
            Ok(removed) => self.log.info(format!("Removed old snapshots: {removed}")),
            Err(error) => self.log.warn(error.to_string()),
        }
        Ok(id)
    }
}
