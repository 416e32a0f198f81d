//! Which seeds a scenario runs with.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::SystemTime;

/// Replays one seed, and only that.
const ONE_VARIABLE: &str = "PROCONSUL_SEED";
/// Runs so many more, new ones each time.
const MORE_VARIABLE: &str = "PROCONSUL_SEEDS";

/// Runs a scenario with seeds 1 to `usual`, and with those the environment asks for. A failing one is named.
pub(crate) fn each(usual: u64, scenario: impl Fn(u64)) {
    for seed in seeds(usual) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| scenario(seed))) {
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            eprintln!(
                "seed {seed} failed; to replay it: {ONE_VARIABLE}={seed} cargo test -p gossip --test simulation {test}"
            );
            resume_unwind(panic);
        }
    }
}

fn seeds(usual: u64) -> Vec<u64> {
    if let Some(seed) = number(ONE_VARIABLE) {
        return vec![seed];
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |passed| passed.as_nanos() as u64);
    let more = number(MORE_VARIABLE).unwrap_or(0);
    (1..=usual).chain((0..more).map(|n| now.wrapping_add(n))).collect()
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}
