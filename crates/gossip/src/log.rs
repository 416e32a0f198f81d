//! The names under which a pool's lines are logged (`docs/spec/server-operations.md` §18.1).
//!
//! `tracing` wants to know a line's logger when it is compiled; which pool a core belongs to is known when it starts.
//! So all lines go through a [`Log`], which chooses among the loggers there are. A line nobody wants is not put together.

use std::fmt::Arguments;

/// Which pool of which agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pool {
    /// That of a datacenter, on a client.
    #[default]
    Client,
    /// The same on a server.
    Server,
    /// That of the servers of all datacenters.
    Wan,
}

/// Which layer of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Memberlist,
    Serf,
}

/// Writes the lines of one layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    layer: Layer,
    pool: Pool,
}

macro_rules! log_at {
    ($level:ident, $log:expr, $message:expr) => {
        match ($log.layer, $log.pool) {
            (Layer::Memberlist, Pool::Client) => {
                tracing::$level!(target: "agent.client.memberlist.lan", "{}", $message);
            }
            (Layer::Memberlist, Pool::Server) => {
                tracing::$level!(target: "agent.server.memberlist.lan", "{}", $message);
            }
            (Layer::Memberlist, Pool::Wan) => {
                tracing::$level!(target: "agent.server.memberlist.wan", "{}", $message);
            }
            (Layer::Serf, Pool::Client) => tracing::$level!(target: "agent.client.serf.lan", "{}", $message),
            (Layer::Serf, Pool::Server) => tracing::$level!(target: "agent.server.serf.lan", "{}", $message),
            (Layer::Serf, Pool::Wan) => tracing::$level!(target: "agent.server.serf.wan", "{}", $message),
        }
    };
}

impl Log {
    pub(crate) fn debug(self, message: Arguments<'_>) {
        log_at!(debug, self, message);
    }

    pub(crate) fn info(self, message: Arguments<'_>) {
        log_at!(info, self, message);
    }

    pub(crate) fn warn(self, message: Arguments<'_>) {
        log_at!(warn, self, message);
    }

    pub(crate) fn error(self, message: Arguments<'_>) {
        log_at!(error, self, message);
    }
}

/// The loggers of both layers of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logs {
    pub(crate) memberlist: Log,
    pub(crate) serf: Log,
}

impl Logs {
    /// Those of the pool `lan` or `wan`, of a server or a client. Only servers are in the latter.
    pub(crate) fn of(pool: &str, is_server: bool) -> Logs {
        Logs::new(match (pool, is_server) {
            ("wan", _) => Pool::Wan,
            (_, true) => Pool::Server,
            (_, false) => Pool::Client,
        })
    }

    fn new(pool: Pool) -> Logs {
        Logs { memberlist: Log { layer: Layer::Memberlist, pool }, serf: Log { layer: Layer::Serf, pool } }
    }
}

impl Default for Logs {
    fn default() -> Logs {
        Logs::new(Pool::default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// Notes every line: its level, its logger and what it says.
    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<Vec<String>>>);

    struct Message(String);

    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            if field.name() == "message" {
                self.0 = format!("{value:?}");
            }
        }
    }

    impl Subscriber for Notes {
        fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
            true
        }

        fn event(&self, event: &Event<'_>) {
            let mut message = Message(String::new());
            event.record(&mut message);
            let (level, target) = (event.metadata().level(), event.metadata().target());
            self.0.lock().push(format!("{level} {target}: {}", message.0));
        }

        fn new_span(&self, _span: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _span: &Id, _values: &Record<'_>) {}

        fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

        fn enter(&self, _span: &Id) {}

        fn exit(&self, _span: &Id) {}
    }

    #[test]
    fn every_pool_has_its_own_loggers() {
        let notes = Notes::default();
        tracing::subscriber::with_default(notes.clone(), || {
            for (pool, is_server) in [("lan", false), ("lan", true), ("wan", true)] {
                let Logs { memberlist, serf } = Logs::of(pool, is_server);
                memberlist.warn(format_args!("memberlist: {}", 1));
                serf.info(format_args!("serf: {}", 2));
            }
            Logs::default().serf.error(format_args!("x"));
            Logs::default().memberlist.debug(format_args!("y"));
        });
        let wanted = [
            "WARN agent.client.memberlist.lan: memberlist: 1",
            "INFO agent.client.serf.lan: serf: 2",
            "WARN agent.server.memberlist.lan: memberlist: 1",
            "INFO agent.server.serf.lan: serf: 2",
            "WARN agent.server.memberlist.wan: memberlist: 1",
            "INFO agent.server.serf.wan: serf: 2",
            "ERROR agent.client.serf.lan: x",
            "DEBUG agent.client.memberlist.lan: y",
        ];
        assert_eq!(*notes.0.lock(), wanted);
    }
}
