//! What a run measured of itself, for those who count runs.

use serde::{Deserialize, Serialize};

/// The figures of a run, as far as the process that ended it knows them: one that went on for another begins to count
/// anew, but for the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Figures {
    /// Rows that were copied into shadow tables.
    pub rows: u64,
    /// The most changed keys that were logged and not yet brought over, where that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest_lag: Option<u64>,
    /// For how long it went slower for others, in milliseconds, where that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled_ms: Option<u64>,
    /// The longest time for which a swap had its tables locked, in milliseconds; absent: there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_ms: Option<u64>,
}

impl Figures {
    /// A swap had its tables locked for so many milliseconds.
    pub fn locked(&mut self, ms: u64) {
        self.lock_ms = Some(self.lock_ms.unwrap_or(0).max(ms));
    }

    /// An online change was looked at: so far behind it is, and whether it goes slower for others. The look before was
    /// so many milliseconds ago.
    pub fn looked(&mut self, lag: u64, throttled: bool, since_ms: u64) {
        self.largest_lag = Some(self.largest_lag.unwrap_or(0).max(lag));
        *self.throttled_ms.get_or_insert(0) += if throttled { since_ms } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_counts_and_time_adds_up() {
        let mut figures = Figures::default();
        figures.looked(7, true, 2_000);
        figures.looked(3, false, 2_000);
        figures.looked(5, true, 1_000);
        figures.locked(40);
        figures.locked(12);
        let expected =
            Figures { rows: 0, largest_lag: Some(7), throttled_ms: Some(3_000), lock_ms: Some(40) };
        assert_eq!(figures, expected);
        // What an older runner left behind has none of it.
        assert_eq!(serde_json::from_str::<Figures>("{}").ok(), Some(Figures::default()));
    }
}
