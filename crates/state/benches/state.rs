//! Costs of the paths that matter: a write with its publish, reads, and waking many waiters.

#![allow(missing_docs)] // criterion's macro makes a function without

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use state::{Store, Topic, Writer};
use types::{DirEntry, KvRequest, MessageType};

const KEYS: u64 = 100_000;
const LISTED: u64 = 1_000;
const WAITERS: usize = 10_000;

fn set(key: &str, value: u64) -> Vec<u8> {
    let dir_ent = DirEntry { key: key.into(), value: value.to_be_bytes().to_vec().into(), ..DirEntry::default() };
    let request = KvRequest { op: "set".into(), dir_ent, ..KvRequest::default() };
    types::command::encode(MessageType::Kvs, &request).unwrap_or_default()
}

/// Keys `d/<folder>/<key>`, [`LISTED`] to a folder.
fn filled() -> (Writer, Store, u64) {
    let (mut writer, store) = Writer::new();
    for n in 0..KEYS {
        writer.apply(n + 1, &set(&format!("d/{:04}/{:04}", n / LISTED, n % LISTED), n));
    }
    writer.publish();
    (writer, store, KEYS + 1)
}

fn writes(c: &mut Criterion) {
    let (mut writer, _store, mut index) = filled();
    c.bench_function("apply set and publish, 1e5 keys", |b| {
        b.iter_batched(
            || {
                index += 1;
                (index, set(&format!("d/{:04}/{:04}", index * 7919 % (KEYS / LISTED), index % LISTED), index))
            },
            |(index, command)| {
                black_box(writer.apply(index, &command));
                writer.publish();
            },
            BatchSize::SmallInput,
        );
    });
}

fn reads(c: &mut Criterion) {
    let (_writer, store, _) = filled();
    c.bench_function("snapshot and get, 1e5 keys", |b| b.iter(|| store.snapshot().kv_get(black_box(b"d/0042/0777"))));
    c.bench_function("list 1000 of 1e5 keys", |b| b.iter(|| store.snapshot().kv_list(black_box(b"d/0042/"))));
    c.bench_function("keys of 100 folders, 1e5 keys", |b| b.iter(|| store.snapshot().kv_keys(black_box(b"d/"), b"/")));
}

fn watches(c: &mut Criterion) {
    let (mut writer, store, mut index) = filled();
    let topics = |n: usize| [Topic::key_prefix(format!("w/{n}/").as_bytes())];
    let parked: Vec<_> = (0..WAITERS).map(|n| store.watch(topics(n))).collect();
    c.bench_function("apply set and publish, 1e4 foreign waiters", |b| {
        b.iter(|| {
            index += 1;
            black_box(writer.apply(index, &set("d/0001/0001", index)));
            writer.publish();
        });
    });
    drop(parked);
    c.bench_function("wake 1e4 waiters of one key", |b| {
        b.iter_batched(
            || (0..WAITERS).map(|_| store.watch([Topic::key(b"hot")])).collect::<Vec<_>>(),
            |parked| {
                index += 1;
                writer.apply(index, &set("hot", index));
                writer.publish();
                parked
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, writes, reads, watches);
criterion_main!(benches);
