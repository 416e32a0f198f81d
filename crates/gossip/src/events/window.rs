//! Which events and queries were seen already: the last [`SLOTS`] Lamport times (`docs/spec/gossip.md` §13, §14.2).

/// Lamport times that are remembered.
pub(super) const SLOTS: usize = 512;
/// Different items of one time that are remembered.
const SLOT_ITEMS_MAX: usize = 1024;
/// Memory for all items, bytes.
const WINDOW_MAX_BYTES: usize = 4 * 1024 * 1024;

/// What a window remembers.
pub(super) trait Item: PartialEq {
    /// Memory it takes, bytes.
    fn size(&self) -> usize;
}

/// How something that arrives is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    New,
    /// Seen before.
    Known,
    /// So old that nobody knows whether it was seen before.
    Old,
    /// There is no room to remember it, so it would come back again and again.
    Full,
}

/// Items of one time.
#[derive(Debug)]
pub(super) struct Slot<T> {
    pub(super) ltime: u64,
    pub(super) items: Vec<T>,
}

/// What was seen lately.
#[derive(Debug)]
pub(super) struct Window<T> {
    slots: Vec<Option<Slot<T>>>,
    bytes: usize,
    /// Whatever is older is not for us.
    floor: u64,
}

impl<T: Item> Window<T> {
    /// Takes nothing older than `floor`.
    pub(super) fn new(floor: u64) -> Window<T> {
        Window { slots: (0..SLOTS).map(|_| None).collect(), bytes: 0, floor }
    }

    /// From now on takes nothing older than this either.
    pub(super) fn raise_floor(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
    }

    /// Takes in something that happened at `ltime`, when the clock shows `clock`.
    pub(super) fn admit(&mut self, ltime: u64, clock: u64, item: T) -> Verdict {
        if ltime < self.floor {
            return Verdict::Known;
        }
        if clock > SLOTS as u64 && ltime < clock - SLOTS as u64 {
            return Verdict::Old;
        }
        let Some(place) = self.slots.get_mut((ltime % SLOTS as u64) as usize) else { return Verdict::Old };
        if place.as_ref().is_none_or(|slot| slot.ltime != ltime) {
            let freed: usize = place.take().map_or(0, |slot| slot.items.iter().map(Item::size).sum());
            self.bytes -= freed;
            *place = Some(Slot { ltime, items: Vec::new() });
        }
        let Some(slot) = place else { return Verdict::Old };
        if slot.items.contains(&item) {
            return Verdict::Known;
        }
        if slot.items.len() >= SLOT_ITEMS_MAX || self.bytes + item.size() > WINDOW_MAX_BYTES {
            return Verdict::Full;
        }
        self.bytes += item.size();
        slot.items.push(item);
        Verdict::New
    }

    /// All times there are, as the state that is exchanged has them.
    pub(super) fn slots(&self) -> impl Iterator<Item = Option<&Slot<T>>> {
        self.slots.iter().map(Option::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Item for &'static str {
        fn size(&self) -> usize {
            self.len()
        }
    }

    impl Item for usize {
        fn size(&self) -> usize {
            1
        }
    }

    #[test]
    fn each_item_of_a_time_is_new_once() {
        let mut window = Window::new(3);
        for (ltime, clock, item, verdict) in [
            (2, 9, "a", Verdict::Known),
            (3, 9, "a", Verdict::New),
            (3, 9, "a", Verdict::Known),
            (3, 9, "b", Verdict::New),
            (4, 9, "a", Verdict::New),
            (3, 9, "b", Verdict::Known),
            (515, 516, "a", Verdict::New),
            (3, 516, "a", Verdict::Old),
            (4, 516, "a", Verdict::Known),
            (3, 515, "a", Verdict::New),
        ] {
            assert_eq!(window.admit(ltime, clock, item), verdict, "{item} at {ltime}, the clock shows {clock}");
        }
        window.raise_floor(600);
        window.raise_floor(5);
        assert_eq!(window.admit(599, 600, "a"), Verdict::Known);
        assert_eq!(window.admit(600, 600, "a"), Verdict::New);
    }

    #[test]
    fn memory_is_bounded_per_time_and_in_all() {
        let mut numbers = Window::new(0);
        let fresh = (0..SLOT_ITEMS_MAX + 9).filter(|n| numbers.admit(1, 1, *n) == Verdict::New).count();
        assert_eq!(fresh, SLOT_ITEMS_MAX);
        assert_eq!(numbers.admit(1, 1, SLOT_ITEMS_MAX), Verdict::Full);
        assert_eq!(numbers.admit(2, 2, 0), Verdict::New);

        let huge: &'static str = "x".repeat(WINDOW_MAX_BYTES).leak();
        let mut texts = Window::new(0);
        assert_eq!(texts.admit(1, 1, huge), Verdict::New);
        assert_eq!(texts.admit(2, 2, "a"), Verdict::Full);
        assert_eq!(texts.admit(513, 514, "a"), Verdict::New);
        assert_eq!(texts.admit(2, 514, "a"), Verdict::New);
    }

    #[test]
    fn times_at_the_end_of_the_range_do_no_harm() {
        let mut window = Window::new(0);
        assert_eq!(window.admit(u64::MAX, u64::MAX, "a"), Verdict::New);
        assert_eq!(window.admit(0, u64::MAX, "a"), Verdict::Old);
    }
}
