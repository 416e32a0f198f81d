//! Who listens to the events of a pool.

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::Event;

/// Events that may wait for one listener.
const CAPACITY: usize = 2048;

/// The listeners. A slow one never holds up the pool: what it misses is counted, and told once there is room.
#[derive(Default)]
pub(super) struct Subscribers {
    listeners: Mutex<Vec<Listener>>,
}

struct Listener {
    events: mpsc::Sender<Event>,
    missed: u64,
}

impl Subscribers {
    pub(super) fn subscribe(&self) -> mpsc::Receiver<Event> {
        let (events, receiver) = mpsc::channel(CAPACITY);
        self.listeners.lock().push(Listener { events, missed: 0 });
        receiver
    }

    pub(super) fn publish(&self, event: &Event) {
        self.listeners.lock().retain_mut(|listener| listener.tell(event));
    }

    /// Tells those who missed events of it, if they have made room.
    pub(super) fn tell_missed(&self) {
        self.listeners.lock().retain_mut(Listener::tell_missed);
    }

    /// Ends every subscription.
    pub(super) fn close(&self) {
        self.listeners.lock().clear();
    }
}

impl Listener {
    /// Answers whether anybody listens still.
    fn tell(&mut self, event: &Event) -> bool {
        if !self.tell_missed() {
            return false;
        }
        if self.missed > 0 {
            self.missed += 1;
            return true;
        }
        match self.events.try_send(event.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.missed = 1;
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    fn tell_missed(&mut self) -> bool {
        if self.missed == 0 {
            return true;
        }
        match self.events.try_send(Event::Lagged(self.missed)) {
            Ok(()) => {
                self.missed = 0;
                true
            }
            Err(TrySendError::Full(_)) => true,
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn user(ltime: u64) -> Event {
        Event::User { name: "e".into(), payload: Bytes::new(), ltime, coalesce: false }
    }

    #[test]
    fn what_a_slow_listener_missed_is_told_before_what_follows() {
        let subscribers = Subscribers::default();
        let mut events = subscribers.subscribe();
        let sent = CAPACITY as u64 + 3;
        (0..sent).for_each(|time| subscribers.publish(&user(time)));
        for time in 0..CAPACITY as u64 {
            assert_eq!(events.try_recv(), Ok(user(time)));
        }
        subscribers.tell_missed();
        subscribers.publish(&user(sent));
        assert_eq!(events.try_recv(), Ok(Event::Lagged(3)));
        assert_eq!(events.try_recv(), Ok(user(sent)));
        assert!(events.try_recv().is_err());
    }

    #[test]
    fn who_stopped_listening_is_forgotten() {
        let subscribers = Subscribers::default();
        drop(subscribers.subscribe());
        let mut other = subscribers.subscribe();
        subscribers.publish(&user(1));
        assert_eq!(subscribers.listeners.lock().len(), 1);
        subscribers.close();
        assert_eq!(other.try_recv(), Ok(user(1)));
        assert_eq!(other.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }
}
