//! A whole simulation: a cluster, clients at work, faults, and what must be so in the end.

use std::cell::Cell;
use std::ops::Range;
use std::time::Duration;

use consensus::SnapshotPolicy;
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::cluster::{Cluster, Settings};
use crate::linear::{Verdict, check};
use crate::workload::{KEYS, Workload};
use crate::{fault, settled};

/// Time for connections of the last fault to be noticed as dead, and for watchers to come back.
const SETTLE: Duration = Duration::from_secs(45);
/// Changes of the counter that every watcher must be told of in the end.
const LAST_COUNTS: usize = 3;

thread_local! {
    static STARTED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What is to happen.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The cluster.
    pub cluster: Settings,
    /// Number of faults, one after the other.
    pub faults: usize,
    /// How long nothing goes wrong before each, and how long each lasts.
    pub calm: Range<Duration>,
    /// See `calm`.
    pub trouble: Range<Duration>,
    /// How long a client pauses between two requests.
    pub pause: Range<Duration>,
}

impl Plan {
    /// For every build: a minute or two of a small cluster that takes snapshots all the time.
    pub fn usual() -> Plan {
        let seconds = Duration::from_secs;
        let snapshots = SnapshotPolicy { interval: seconds(8), threshold: 100, trailing_logs: 50 };
        Plan {
            cluster: Settings { servers: 3, clients: 2, snapshots },
            faults: 6,
            calm: seconds(1)..seconds(6),
            trouble: seconds(2)..seconds(14),
            pause: Duration::from_millis(20)..Duration::from_millis(400),
        }
    }

    /// To compare histories: short, and without snapshots, whose writing takes real time.
    pub fn short() -> Plan {
        let usual = Plan::usual();
        let snapshots = SnapshotPolicy::default();
        Plan { cluster: Settings { snapshots, ..usual.cluster }, faults: 2, ..usual }
    }

    /// For runs of hours: quieter, with faults that last, and now and then five servers.
    pub fn long(seed: u64) -> Plan {
        let usual = Plan::usual();
        let servers = if seed.is_multiple_of(4) { 5 } else { 3 };
        Plan {
            cluster: Settings { servers, ..usual.cluster },
            faults: 40,
            calm: Duration::from_secs(2)..Duration::from_secs(30),
            trouble: Duration::from_secs(2)..Duration::from_secs(90),
            pause: Duration::from_millis(100)..Duration::from_secs(2),
        }
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Time that passed for the cluster.
    pub simulated: Duration,
    /// Requests to shared keys that were answered.
    pub answered: u64,
    /// Requests to shared keys without effect or answer.
    pub unanswered: u64,
    /// Entries whose writing was acknowledged.
    pub entries: usize,
    /// Keys of whose history the checker could not make up its mind.
    pub undecided: usize,
    /// Names the history: two that differ in anything have different ones.
    pub digest: u64,
}

/// How much time has passed for the cluster that this thread simulates.
pub fn elapsed() -> Duration {
    STARTED.get().map_or(Duration::ZERO, |started| Instant::now().saturating_duration_since(started))
}

/// Simulates in this thread; says on standard output what happens when.
///
/// # Panics
/// When the cluster breaks a promise, does not recover, or an agent does not start.
pub fn run(seed: u64, plan: &Plan) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(simulate(seed, plan))
}

fn say(what: &str) {
    println!("{:>10.3} s  {what}", elapsed().as_secs_f64());
}

async fn simulate(seed: u64, plan: &Plan) -> Report {
    let chance = Chance::new(seed);
    let started = Instant::now();
    STARTED.set(Some(started));
    let mut cluster = Cluster::start(&chance.fork(0), &plan.cluster).await;
    settled::well(&cluster).await;
    say("the cluster is there");

    let mut workload = Workload::start(cluster.roster(), &chance.fork(1), &plan.pause);
    let mut luck = chance.fork(2);
    for _ in 0..plan.faults {
        sleep(luck.time(&plan.calm)).await;
        let what = fault::strike(&mut cluster, &mut luck).await;
        say(&what);
        sleep(luck.time(&plan.trouble)).await;
        fault::mend(&mut cluster).await;
        say("mended");
        workload.check_watchers();
    }
    sleep(plan.calm.end).await;
    workload.finish().await;
    say("clients are done");

    settled::well(&cluster).await;
    say("every agent reaches the leader");
    sleep(SETTLE).await;
    for _ in 0..LAST_COUNTS {
        let value = workload.count_once_more().await;
        settled::watchers_see(&mut workload, value).await;
    }
    say("every watcher is told of changes");
    settled::nothing_is_lost(&cluster, &workload).await;
    workload.read_all().await;
    let undecided = histories_are_linearizable(&workload);
    settled::servers_agree(&cluster).await;
    say("nothing is lost, histories are linearizable, and all servers agree");

    let (answered, unanswered) = workload.history.counts();
    let entries = workload.acknowledged.lock().len();
    let digest = workload.history.digest();
    Report { simulated: started.elapsed(), answered, unanswered, entries, undecided, digest }
}

/// Fails for one that is not; answers how many are too hard to say.
fn histories_are_linearizable(workload: &Workload) -> usize {
    let mut undecided = 0;
    for key in 0..KEYS {
        let ops = workload.history.of(key);
        match check(&ops) {
            Verdict::Linearizable => {}
            Verdict::Undecided => undecided += 1,
            Verdict::Broken => {
                ops.iter().for_each(|op| println!("{op:?}"));
                panic!("the history of key {key} is not linearizable");
            }
        }
    }
    undecided
}
