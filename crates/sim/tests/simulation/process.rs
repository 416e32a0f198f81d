//! A simulation in a process of its own.

use std::process::{Command, exit};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use sim::Plan;

use crate::{entropy, log};

/// Replays one seed, and only that.
pub(crate) const SEED: &str = "PROCONSUL_SEED";
/// Runs so many more, new ones each time.
pub(crate) const MORE_SEEDS: &str = "PROCONSUL_SEEDS";
/// How long the long run is to be.
pub(crate) const HOURS: &str = "PROCONSUL_SIM_HOURS";
/// Which plan the process follows; only we set it.
const KIND: &str = "PROCONSUL_SIM_KIND";
/// What the line begins with that tells how it ended.
const DONE: &str = "simulated";
/// A run that takes longer hangs: time stands still, but somebody is always busy.
const HANGS_AFTER: Duration = Duration::from_secs(30 * 60);

/// How much is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Usual,
    Short,
    Long,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Usual, Kind::Short, Kind::Long];

    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    fn plan(self, seed: u64) -> Plan {
        match self {
            Kind::Usual => Plan::usual(),
            Kind::Short => Plan::short(),
            Kind::Long => Plan::long(seed),
        }
    }
}

/// What a process did.
pub(crate) struct Run {
    pub(crate) output: String,
    /// Its last line.
    pub(crate) summary: String,
    pub(crate) simulated: Duration,
    pub(crate) digest: String,
}

/// Runs a seed.
///
/// # Errors
/// All that it said, when it failed.
pub(crate) fn one(seed: u64, kind: Kind) -> Result<Run, String> {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command.args(["one_seed", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    let output = command.env(SEED, seed.to_string()).env(KIND, kind.name()).output().expect("a process");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let summary = said.lines().find(|line| line.starts_with(DONE)).filter(|_| output.status.success());
    let Some(summary) = summary.map(str::to_owned) else { return Err(said) };
    let field = |name: &str| {
        let found = summary.split_whitespace().find_map(|part| part.strip_prefix(name));
        found.expect("a field of the summary").to_owned()
    };
    let simulated = Duration::from_millis(field("ms=").parse().expect("a number"));
    Ok(Run { simulated, digest: field("digest="), summary: summary.clone(), output: said })
}

/// What a failing test says.
pub(crate) fn replay(seed: u64, kind: Kind, said: &str) -> String {
    let (kind, run) = (kind.name(), "cargo test -p sim one_seed -- --ignored --nocapture");
    format!("{said}\nseed {seed} failed; to replay it: {KIND}={kind} {SEED}={seed} {run}")
}

/// A number from the environment.
pub(crate) fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

/// What such a process does.
pub(crate) fn simulate() {
    let Some(seed) = number(SEED) else {
        println!("{SEED} says which seed to run");
        return;
    };
    let named = std::env::var(KIND).unwrap_or_default();
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == named).unwrap_or(Kind::Usual);
    log::start();
    watch_over();
    // A thread of its own: what it draws from chance begins here.
    let running = std::thread::spawn(move || {
        entropy::seed(seed);
        sim::run(seed, &kind.plan(seed))
    });
    let report = running.join().unwrap_or_else(|_| panic!("seed {seed} ({kind:?}) failed"));
    println!(
        "{DONE} ms={} answered={} unanswered={} entries={} undecided={} digest={:016x}",
        report.simulated.as_millis(),
        report.answered,
        report.unanswered,
        report.entries,
        report.undecided,
        report.digest
    );
}

/// Ends the process if it hangs.
fn watch_over() {
    let (alive, ended) = channel::<()>();
    std::thread::spawn(move || {
        if ended.recv_timeout(HANGS_AFTER) == Err(RecvTimeoutError::Timeout) {
            eprintln!("the simulation does not get on");
            exit(1);
        }
    });
    // Until the process ends.
    std::mem::forget(alive);
}
