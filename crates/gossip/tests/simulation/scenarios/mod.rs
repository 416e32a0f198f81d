//! What is to hold, with the numbers of `docs/spec/gossip.md` §19.

mod crashing;
mod events;
mod joining;
mod keys;
mod leaving;
mod pausing;
mod restarting;
mod splitting;
