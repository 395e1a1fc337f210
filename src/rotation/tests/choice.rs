//! Who decides what goes wrong: an enumeration of every combination, or a seed.

/// Answers questions; 0 is always the answer of a healthy world.
pub(super) trait Choose {
    /// Picks one of so many ways to go on.
    fn choose(&mut self, ways: u32) -> u32;

    /// Whether nothing will go wrong any more.
    fn is_healthy(&self) -> bool;
}

/// Every sequence of answers in which at most `budget` things go wrong, one sequence a run.
pub(super) struct Enumeration {
    budget: usize,
    /// What was picked, of how many ways.
    script: Vec<(u32, u32)>,
    at: usize,
}

impl Enumeration {
    pub(super) fn with_budget(budget: usize) -> Self {
        Self { budget, script: Vec::new(), at: 0 }
    }

    /// Moves on to the next sequence; answers whether there is one.
    pub(super) fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((picked, ways)) = self.script.pop() {
            if picked + 1 < ways && self.wrong(self.script.len()) < self.budget {
                self.script.push((picked + 1, ways));
                return true;
            }
        }
        false
    }

    fn wrong(&self, until: usize) -> usize {
        self.script[..until].iter().filter(|(picked, _)| *picked != 0).count()
    }
}

impl Choose for Enumeration {
    fn choose(&mut self, ways: u32) -> u32 {
        if self.at == self.script.len() {
            self.script.push((0, ways));
        }
        let (picked, known) = self.script[self.at];
        assert_eq!(ways, known, "a run does not replay");
        self.at += 1;
        picked
    }

    fn is_healthy(&self) -> bool {
        self.script[self.at..].iter().all(|(picked, _)| *picked == 0)
    }
}

/// Things go wrong at random, until so many questions were asked.
pub(super) struct Seeded {
    state: u64,
    per_cent: u64,
    questions: u32,
}

impl Seeded {
    pub(super) fn new(seed: u64) -> Self {
        let mut seeded = Self { state: seed, per_cent: 0, questions: 0 };
        seeded.per_cent = 5 + seeded.next() % 60;
        seeded.questions = u32::try_from(10 + seeded.next() % 90).expect("below a hundred");
        seeded
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Choose for Seeded {
    fn choose(&mut self, ways: u32) -> u32 {
        if self.questions == 0 || ways < 2 {
            return 0;
        }
        self.questions -= 1;
        let (wrong, which) = (self.next() % 100 < self.per_cent, self.next());
        if wrong { u32::try_from(1 + which % u64::from(ways - 1)).expect("a small number") } else { 0 }
    }

    fn is_healthy(&self) -> bool {
        self.questions == 0
    }
}

#[test]
fn an_enumeration_goes_through_every_sequence_within_its_budget() {
    let mut enumeration = Enumeration::with_budget(2);
    let mut seen = Vec::new();
    loop {
        seen.push([enumeration.choose(2), enumeration.choose(3), enumeration.choose(2)]);
        if !enumeration.advance() {
            break;
        }
    }
    // 1 with nothing wrong, 1 + 2 + 1 with one thing, 2 + 1 + 2 with two.
    assert_eq!(seen.len(), 10);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 10);
}
