//! Amounts of bytes: `20GB`, `512MiB`.

use super::number::unsigned;
use super::{Malformed, text};

text! {
    /// An amount of bytes.
    Volume, "a size", pattern: "^[0-9]{1,12}(\\.[0-9]{1,3})?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB|Ki|Mi|Gi|Ti)$", longest: 20,
    write: "write a number with B, KB, MB, GB, TB (thousands) or KiB, MiB, GiB, TiB (times 1024)",
    examples: ["20GB", "2.5GB", "512MiB", "20Gi"]
}

const UNITS: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    // Last: the others end in it.
    ("B", 1),
];

impl Volume {
    /// What it means, in bytes; a fraction of a byte is cut off.
    ///
    /// # Errors
    /// The text is not a size, or is one of more than 2^64 bytes.
    pub fn parse(&self) -> Result<u64, Malformed> {
        let split =
            UNITS.iter().find_map(|(unit, bytes)| Some((self.0.strip_suffix(unit)?, u128::from(*bytes))));
        split
            .and_then(|(number, unit)| {
                unsigned(number, 12, 3)?;
                let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
                // In thousandths and whole numbers: a float would lose the last bytes of a large size.
                let thousandths =
                    whole.parse::<u128>().ok()? * 1000 + format!("{fraction:0<3}").parse::<u128>().ok()?;
                u64::try_from(thousandths * unit / 1000).ok()
            })
            .ok_or_else(|| self.malformed())
    }

    /// As status shows it: in thousands, with at most one digit behind the point.
    pub fn of(bytes: u64) -> Self {
        for (unit, size) in
            [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000)]
        {
            if bytes >= size {
                let tenths = bytes / (size / 10);
                return Self(match tenths % 10 {
                    0 => format!("{}{unit}", tenths / 10),
                    tenth => format!("{}.{tenth}{unit}", tenths / 10),
                });
            }
        }
        Self(format!("{bytes}B"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::agrees;
    use super::*;

    #[test]
    fn sizes_are_read() {
        let cases: &[(&str, Option<u64>)] = &[
            ("20GB", Some(20_000_000_000)),
            ("2.5GB", Some(2_500_000_000)),
            ("0.001KB", Some(1)),
            ("0B", Some(0)),
            ("1B", Some(1)),
            ("1.5B", Some(1)),
            ("1KB", Some(1_000)),
            ("1KiB", Some(1_024)),
            ("512MiB", Some(536_870_912)),
            ("20Gi", Some(21_474_836_480)),
            ("1TB", Some(1_000_000_000_000)),
            ("1TiB", Some(1 << 40)),
            ("9007199254740993B", None),
            ("999999999999B", Some(999_999_999_999)),
            ("", None),
            ("20", None),
            ("GB", None),
            ("20 GB", None),
            ("20gb", None),
            ("20kB", None),
            ("20G", None),
            ("-1GB", None),
            ("1.GB", None),
            ("1.0005GB", None),
            ("1e3GB", None),
            ("20GBB", None),
            ("20PB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Volume::from(*text).parse().ok(), *expected, "{text:?}");
            agrees(Volume::FORM, text, expected.is_some());
        }
        // The pattern cannot say this one.
        assert!(Volume::from("999999999999TB").parse().is_err());
    }

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1_000, "1KB"),
            (15_000_000_000, "15GB"),
            (2_560_000_000, "2.5GB"),
            (u64::MAX, "18446744TB"),
        ] {
            assert_eq!(Volume::of(bytes).as_str(), text);
            assert!(Volume::of(bytes).parse().is_ok(), "{text}");
        }
    }
}
