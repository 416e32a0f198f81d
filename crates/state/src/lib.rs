//! The replicated state machine: tables, indexes, commands, watches, snapshot and restore.
