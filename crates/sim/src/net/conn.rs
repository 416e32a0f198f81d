//! One end of a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Net;
use super::pipe::Step;
use super::world::Seat;

pub(super) struct End {
    pub(super) net: Net,
    pub(super) at: Seat,
    pub(super) incoming: u64,
    pub(super) outgoing: u64,
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl End {
    pub(super) fn new(net: Net, at: Seat, incoming: u64, outgoing: u64) -> End {
        End { net, at, incoming, outgoing, read_timer: None, write_timer: None }
    }
}

/// Ready when it is that late.
fn wait(timer: &mut Option<Pin<Box<Sleep>>>, until: Instant, context: &mut Context<'_>) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
    timer.as_mut().reset(until);
    timer.as_mut().poll(context)
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let step = this.net.world().read(this.at, this.incoming, context.waker(), buffer);
            match step {
                Step::Done(result) => return Poll::Ready(result),
                Step::Wait => return Poll::Pending,
                Step::Until(at) => ready!(wait(&mut this.read_timer, at, context)),
            }
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            let step = this.net.world().write(this.at, this.outgoing, context.waker(), data);
            match step {
                Step::Done(result) => return Poll::Ready(result),
                Step::Wait => return Poll::Pending,
                Step::Until(at) => ready!(wait(&mut this.write_timer, at, context)),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.net.world().finish(self.at, self.outgoing);
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.net.world().release(self.at, self.incoming, self.outgoing);
    }
}
