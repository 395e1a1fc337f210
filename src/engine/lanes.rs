//! Room for work: a bound for the process and one per lane, so that one slow target delays nobody else (I10).

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

/// The room that is taken.
#[derive(Debug)]
pub(super) struct Lanes {
    tasks: usize,
    per_lane: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    lanes: HashMap<String, usize>,
    limits: HashMap<String, usize>,
    /// Failures in a row, by lane, in this life of the process.
    failures: HashMap<String, u32>,
}

impl Lanes {
    pub(super) fn new(tasks: usize, per_lane: usize) -> Self {
        Self { tasks, per_lane, taken: Mutex::default() }
    }

    /// Room that is left in the process.
    pub(super) fn room(&self) -> usize {
        self.tasks.saturating_sub(self.taken().all)
    }

    /// The lanes without room.
    pub(super) fn full(&self) -> Vec<String> {
        let taken = self.taken();
        let is_full = |(lane, n): &(&String, &usize)| **n >= taken.limit(lane, self.per_lane);
        taken.lanes.iter().filter(is_full).map(|(lane, _)| lane.clone()).collect()
    }

    /// The room of the lanes that have other room than an untouched one; the latter's is [`Lanes::per_lane`].
    pub(super) fn rooms(&self) -> BTreeMap<String, usize> {
        let taken = self.taken();
        let named = taken.lanes.keys().chain(taken.limits.keys());
        named
            .map(|lane| {
                let limit = taken.limit(lane, self.per_lane);
                (lane.clone(), limit.saturating_sub(taken.lanes.get(lane).copied().unwrap_or(0)))
            })
            .filter(|(_, room)| *room != self.per_lane)
            .collect()
    }

    /// The room of a lane that nothing is known of.
    pub(super) fn per_lane(&self) -> usize {
        self.per_lane
    }

    /// Takes room in a lane, if there is some. Work without a lane is bounded by the process alone.
    pub(super) fn take(&self, lane: &str) -> bool {
        let mut taken = self.taken();
        let limit = taken.limit(lane, self.per_lane);
        let in_lane = taken.lanes.get(lane).copied().unwrap_or(0);
        if taken.all >= self.tasks || (!lane.is_empty() && in_lane >= limit) {
            return false;
        }
        taken.all += 1;
        if !lane.is_empty() {
            *taken.lanes.entry(lane.to_owned()).or_default() += 1;
        }
        true
    }

    /// Gives room back.
    pub(super) fn give_back(&self, lane: &str) {
        let mut taken = self.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(n) = taken.lanes.get_mut(lane) {
            *n -= 1;
            if *n == 0 {
                taken.lanes.remove(lane);
            }
        }
    }

    /// Sets the bound of one lane, as its target says.
    pub(super) fn set_limit(&self, lane: &str, limit: usize) {
        self.taken().limits.insert(lane.to_owned(), limit.max(1));
    }

    /// Counts a failure; answers how many there are in a row.
    pub(super) fn count_failure(&self, lane: &str) -> u32 {
        let mut taken = self.taken();
        let failures = taken.failures.entry(lane.to_owned()).or_default();
        *failures = failures.saturating_add(1);
        *failures
    }

    /// Forgets the failures of a lane; answers whether there were any.
    pub(super) fn forget_failures(&self, lane: &str) -> bool {
        self.taken().failures.remove(lane).is_some()
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().expect("no holder of this lock panics")
    }
}

impl Taken {
    fn limit(&self, lane: &str, default: usize) -> usize {
        self.limits.get(lane).copied().unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_lane_leaves_room_to_others() {
        let lanes = Lanes::new(3, 2);
        assert!(lanes.take("a") && lanes.take("a") && !lanes.take("a"));
        assert_eq!(lanes.full(), ["a"]);
        lanes.set_limit("c", 5);
        assert_eq!(lanes.rooms(), BTreeMap::from([("a".to_owned(), 0), ("c".to_owned(), 5)]));
        assert!(lanes.take("b"));
        assert_eq!(lanes.room(), 0);
        lanes.give_back("a");
        assert!(lanes.full().is_empty() && lanes.room() == 1);
    }

    #[test]
    fn work_without_a_lane_is_bounded_by_the_process() {
        let lanes = Lanes::new(2, 1);
        assert!(lanes.take("") && lanes.take("") && !lanes.take(""));
        assert!(lanes.full().is_empty());
    }
}
