//! Raft: the engine, its log store, snapshot files and membership, behind an interface that knows only bytes.
