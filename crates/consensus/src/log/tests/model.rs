//! The log against a model: whatever is done to it, it holds what a map would.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;
use crate::data_dir::DataDir;
use crate::log::backend::fjall::FjallBackend;

#[derive(Debug, Clone)]
enum Step {
    Append {
        entries: u64,
        term_step: u64,
    },
    /// Truncate after this part (of 8) of what is there.
    Truncate {
        eighths: u64,
    },
    /// Purge up to this part (of 8) of what is there.
    Purge {
        eighths: u64,
    },
    Vote {
        term: u64,
    },
    /// Orderly close and open.
    Reopen,
    /// Stop as a killed process would, and open.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..400_u64, 0..2_u64).prop_map(|(entries, term_step)| Step::Append { entries, term_step }),
        2 => (0..8_u64).prop_map(|eighths| Step::Truncate { eighths }),
        2 => (0..8_u64).prop_map(|eighths| Step::Purge { eighths }),
        1 => (1..100_u64).prop_map(|term| Step::Vote { term }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ]
}

#[derive(Default)]
struct Model {
    entries: BTreeMap<u64, Record>,
    purged: Option<LogId>,
    vote: Option<Vote>,
    term: u64,
}

impl Model {
    fn last(&self) -> Option<LogId> {
        self.entries.last_key_value().map(|(_, record)| record.id).or(self.purged)
    }

    fn last_index(&self) -> u64 {
        self.last().map_or(0, |id| id.index)
    }

    /// An index that lies in the log, this part of the way from its beginning.
    fn index_at(&self, eighths: u64) -> u64 {
        let first = self.purged.map_or(0, |id| id.index);
        first + (self.last_index() - first) * eighths / 8
    }

    fn append(&mut self, entries: u64, term_step: u64) -> Vec<Record> {
        self.term += term_step;
        let first = self.last_index() + 1;
        let new: Vec<_> = (first..first + entries)
            .map(|index| {
                let command = Bytes::from(vec![index as u8; index as usize % 7]);
                Record { id: LogId { term: self.term + 1, index }, body: Body::Command(command) }
            })
            .collect();
        self.entries.extend(new.iter().map(|record| (record.id.index, record.clone())));
        new
    }
}

fn check(log: &LogStore, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(log.last(), model.last());
    prop_assert_eq!(log.purged(), model.purged);
    prop_assert_eq!(log.vote(), model.vote);
    let middle = model.index_at(4);
    for range in [0..u64::MAX, middle..u64::MAX, 0..middle + 1, middle..middle + 3] {
        let expected: Vec<_> = model.entries.range(range.clone()).map(|(_, record)| record.clone()).collect();
        prop_assert_eq!(log.read(range, usize::MAX).unwrap(), expected);
    }
    Ok(())
}

fn run(steps: &[Step], open: impl Fn() -> LogStore) -> Result<(), TestCaseError> {
    let runtime = Runtime::new().unwrap();
    let mut model = Model::default();
    let mut log = open();
    for step in steps {
        match *step {
            Step::Append { entries, term_step } => {
                let (sender, outcome) = mpsc::channel();
                let new = model.append(entries, term_step);
                log.append(new, Box::new(move |result| drop(sender.send(result)))).unwrap();
                outcome.recv().unwrap().unwrap();
            }
            Step::Truncate { eighths } => {
                let after = model.index_at(eighths);
                model.entries.split_off(&(after + 1));
                runtime.block_on(log.truncate(after)).unwrap();
            }
            Step::Purge { eighths } => {
                let index = model.index_at(eighths);
                if let Some(record) = model.entries.get(&index) {
                    let upto = record.id;
                    model.purged = Some(upto);
                    model.entries = model.entries.split_off(&(index + 1));
                    runtime.block_on(log.purge(upto)).unwrap();
                }
            }
            Step::Vote { term } => {
                let vote = Vote { term, candidate: ServerId::from_bytes([3; 16]), committed: term % 2 == 0 };
                model.vote = Some(vote);
                runtime.block_on(log.save_vote(vote)).unwrap();
            }
            Step::Reopen => {
                log.close().unwrap();
                drop(log);
                log = open();
            }
            Step::Kill => {
                drop(log);
                log = open();
            }
        }
        check(&log, &model)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_log_on_a_pretended_disk_holds_what_a_map_would(steps in prop::collection::vec(step(), 1..30)) {
        let disk = FaultBackend::default();
        run(&steps, || LogStore::open(Arc::new(disk.clone()), None).unwrap())?;
    }

    #[test]
    fn a_log_in_memory_holds_what_a_map_would(steps in prop::collection::vec(step(), 1..30)) {
        let backend = Arc::new(MemoryBackend::default());
        run(&steps, || LogStore::open(backend.clone(), None).unwrap())?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) })]

    #[test]
    fn a_log_on_disk_holds_what_a_map_would(steps in prop::collection::vec(step(), 1..20)) {
        let directory = tempfile::tempdir().unwrap();
        run(&steps, || {
            let directory = DataDir::open(directory.path()).unwrap();
            LogStore::open(Arc::new(FjallBackend::open(directory).unwrap()), None).unwrap()
        })?;
    }
}
