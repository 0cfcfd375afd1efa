//! Numbers that are the same in every run and on every machine.

/// `SplitMix64` (Steele, Lea and Flood, 2014). A library's generator may change with its version, and the tree with it.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xa076_1d64_78bd_642f))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of the numbers below that, which is more than none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        // Any remainder fits into what it is a remainder of.
        usize::try_from(self.next() % end as u64).unwrap_or_default()
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// The size of a file: half are smaller than the median, few are very much larger, and the mean is some 2.4 medians.
    pub(super) fn size(&mut self, median: usize) -> usize {
        // How many times twice or half as large: near a normal distribution.
        const DOUBLINGS: [i8; 16] = [-3, -2, -2, -1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 2, 3];
        let doublings = DOUBLINGS[self.below(DOUBLINGS.len())];
        let base = if doublings < 0 { median >> -doublings } else { median << doublings };
        base + self.below(base.max(1))
    }

    /// A text of these characters.
    pub(super) fn text(&mut self, length: usize, of: &str) -> String {
        let of: Vec<char> = of.chars().collect();
        (0..length).map(|_| of[self.below(of.len())]).collect()
    }
}
