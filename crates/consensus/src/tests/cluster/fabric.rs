//! Wires between servers in one process, which can be cut.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::sync::Arc;

use net::{BoxConn, BoxFuture};
use parking_lot::Mutex;
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::tests::ledger::Ledger;
use crate::{Consensus, ServerId, Transport};

/// What a wire holds between its ends.
const WIRE_BYTES: usize = 64 * 1024;

/// How a server is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Connections break, new ones are refused: the process is gone.
    Broken,
    /// Nothing arrives any more, and nobody says so.
    Silent,
}

#[derive(Clone, Default)]
pub(super) struct Fabric(Arc<Mutex<Wires>>);

#[derive(Default)]
struct Wires {
    doors: BTreeMap<ServerId, Consensus<Ledger>>,
    cut_off: BTreeMap<ServerId, Cut>,
    live: Vec<Wire>,
    tasks: JoinSet<()>,
}

struct Wire {
    ends: [ServerId; 2],
    fate: watch::Sender<Option<Cut>>,
}

impl Wires {
    fn cut(&mut self, server: ServerId, cut: Cut) {
        self.live.retain(|wire| {
            let stays = !wire.ends.contains(&server);
            if !stays {
                wire.fate.send_replace(Some(cut));
            }
            stays
        });
    }
}

impl Fabric {
    /// The way from a server to all others.
    pub(super) fn transport(&self, from: ServerId) -> Arc<dyn Transport> {
        Arc::new(Plug { fabric: self.clone(), from })
    }

    pub(super) fn plug_in(&self, id: ServerId, server: &Consensus<Ledger>) {
        self.0.lock().doors.insert(id, server.clone());
    }

    pub(super) fn unplug(&self, id: ServerId) {
        let wires = &mut *self.0.lock();
        wires.doors.remove(&id);
        wires.cut(id, Cut::Broken);
    }

    pub(super) fn isolate(&self, id: ServerId, cut: Cut) {
        let wires = &mut *self.0.lock();
        wires.cut_off.insert(id, cut);
        wires.cut(id, cut);
    }

    pub(super) fn heal(&self) {
        self.0.lock().cut_off.clear();
    }

    fn open(&self, from: ServerId, to: ServerId) -> Result<BoxConn, Cut> {
        let wires = &mut *self.0.lock();
        if let Some(cut) = wires.cut_off.get(&from).or(wires.cut_off.get(&to)) {
            return Err(*cut);
        }
        let door = wires.doors.get(&to).ok_or(Cut::Broken)?;
        let (near, near_end) = tokio::io::duplex(WIRE_BYTES);
        let (far, far_end) = tokio::io::duplex(WIRE_BYTES);
        let (fate, fate_seen) = watch::channel(None);
        wires.tasks.spawn(door.serve(Box::new(far)));
        wires.tasks.spawn(relay(near_end, far_end, fate_seen));
        wires.live.push(Wire { ends: [from, to], fate });
        Ok(Box::new(near))
    }
}

async fn relay(mut near: DuplexStream, mut far: DuplexStream, mut fate: watch::Receiver<Option<Cut>>) {
    let cut = async { fate.wait_for(Option::is_some).await.ok().and_then(|cut| *cut) };
    tokio::select! {
        biased;
        cut = cut => if cut == Some(Cut::Silent) {
            // Both ends stay open, and nobody reads or writes.
            pending::<()>().await;
        },
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
    }
}

struct Plug {
    fabric: Fabric,
    from: ServerId,
}

impl Transport for Plug {
    fn connect(&self, server: ServerId, _address: &str) -> BoxFuture<'static, io::Result<BoxConn>> {
        let opened = self.fabric.open(self.from, server);
        Box::pin(async move {
            match opened {
                Ok(conn) => Ok(conn),
                Err(Cut::Broken) => Err(io::ErrorKind::ConnectionRefused.into()),
                Err(Cut::Silent) => pending().await,
            }
        })
    }
}
