//! Sampling by a seed that a proof prints, so that a red run can be repeated.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Sampler(u64);

impl Sampler {
    /// Begins at a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let n = self.0;
        let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        n ^ (n >> 31)
    }

    /// A number below `end`; the bias of the remainder does not matter to a test.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Up to `count` different items, in their order.
    pub(crate) fn some<T: Clone>(&mut self, all: &[T], count: usize) -> Vec<T> {
        let mut left = all.len();
        let mut wanted = count.min(left);
        let mut chosen = Vec::with_capacity(wanted);
        for item in all {
            if self.below(left as u64) < wanted as u64 {
                chosen.push(item.clone());
                wanted -= 1;
            }
            left -= 1;
        }
        chosen
    }
}

mod tests {
    use super::*;

    #[test]
    fn a_sample_has_its_size_its_order_and_is_repeated_by_its_seed() {
        let all: Vec<u32> = (0..100).collect();
        let sample = Sampler::new(7).some(&all, 10);
        assert!(sample.len() == 10 && sample.is_sorted());
        assert_eq!(sample, Sampler::new(7).some(&all, 10));
        assert_eq!(Sampler::new(7).some(&all, 200), all);
    }
}
