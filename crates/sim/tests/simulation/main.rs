//! Whole clusters under faults, from seeds. Each seed runs in a process of its own: its entropy is the seed's from the
//! first byte on, so that the same seed gives the same run again.
//!
//! ```text
//! PROCONSUL_SEED=7 cargo test -p sim keep -- --nocapture                    # replays one seed, and shows what happens
//! PROCONSUL_SIM_LOG=debug PROCONSUL_SEED=7 cargo test -p sim keep -- --nocapture  # with the log of all agents
//! PROCONSUL_SEEDS=100 cargo test --release -p sim keep                      # 100 new seeds besides the usual ones
//! PROCONSUL_SIM_HOURS=1000 cargo test --release -p sim long_run -- --ignored --nocapture
//!                                         # new seeds on all cores until so many cluster-hours are simulated
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "everything here is test code, shared functions included")]

#[allow(unsafe_code, reason = "it stands in for a function of the C library")]
mod entropy;
mod log;
mod process;

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use process::{Kind, number, one, replay};

/// Seeds of every build.
const USUAL_SEEDS: std::ops::RangeInclusive<u64> = 1..=6;

#[test]
fn clusters_keep_their_promises() {
    if let Some(seed) = number(process::SEED) {
        let run = one(seed, Kind::Usual).unwrap_or_else(|failure| panic!("{}", replay(seed, Kind::Usual, &failure)));
        println!("{}", run.output);
        return;
    }
    let more = number(process::MORE_SEEDS).unwrap_or(0);
    let new = (0..more).map(|n| fresh_seed().wrapping_add(n));
    for seed in USUAL_SEEDS.chain(new) {
        one(seed, Kind::Usual).unwrap_or_else(|failure| panic!("{}", replay(seed, Kind::Usual, &failure)));
    }
}

#[test]
fn a_seed_gives_the_same_history_again() {
    if number(process::SEED).is_some() {
        return;
    }
    let digest = || one(1, Kind::Short).map(|run| run.digest).expect("the promises are kept");
    assert_eq!(digest(), digest());
}

/// One run, in the process that another of these tests starts for it.
#[test]
#[ignore = "started by the others, in a process of its own"]
fn one_seed() {
    process::simulate();
}

/// New seeds, until enough hours are simulated.
#[test]
#[ignore = "takes hours: PROCONSUL_SIM_HOURS says how many to simulate"]
fn long_run() {
    let hours = number(process::HOURS).unwrap_or(1);
    let wanted = Duration::from_secs(hours * 3600);
    let (first, begun) = (fresh_seed(), Instant::now());
    let progress = Mutex::new((first, Duration::ZERO));
    let work = || {
        loop {
            let seed = {
                let mut progress = progress.lock().unwrap();
                if progress.1 >= wanted {
                    return;
                }
                progress.0 += 1;
                progress.0
            };
            let run = one(seed, Kind::Long).unwrap_or_else(|failure| {
                // The others end with the seed they are at.
                progress.lock().unwrap().1 = wanted;
                panic!("{}", replay(seed, Kind::Long, &failure))
            });
            let mut progress = progress.lock().unwrap();
            progress.1 += run.simulated;
            let simulated = progress.1.as_secs_f64() / 3600.0;
            println!("{simulated:.2} of {hours} cluster-hours in {:?}; seed {seed}: {}", begun.elapsed(), run.summary);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
}

fn fresh_seed() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |passed| passed.as_nanos() as u64)
}
