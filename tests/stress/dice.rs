//! Random choices that a seed repeats, on every machine and with every version of every library.

/// The generator SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice of its own for one of several actors.
    pub fn of(seed: u64, actor: u64) -> Self {
        let mut dice = Self(seed ^ actor.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        dice.next();
        dice
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 up to, not including, `limit`, which must not be 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Both ends included.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + (self.next() % (to - from + 1).unsigned_abs()) as i64
    }

    /// True so many times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

#[test]
fn a_seed_repeats_and_actors_differ() {
    let rolls = |mut dice: Dice| (0..50).map(|_| dice.below(6)).collect::<Vec<_>>();
    assert_eq!(rolls(Dice::of(7, 1)), rolls(Dice::of(7, 1)));
    assert_ne!(rolls(Dice::of(7, 1)), rolls(Dice::of(7, 2)));
    assert_ne!(rolls(Dice::of(7, 1)), rolls(Dice::of(8, 1)));
    // The first number that the authors' program gives for the seed 0.
    assert_eq!(Dice::new(0).next(), 0xE220_A839_7B1D_CDAF);
}
