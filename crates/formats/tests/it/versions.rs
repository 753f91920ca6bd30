//! The order of versions, over all versions and not only those that someone thought of.

use std::cmp::Ordering;

use cofferdam_core::bundle::Version;
use proptest::prelude::*;

/// The text of a version: few parts with few values, so that ties and prefixes happen, and some timestamps.
fn version() -> impl Strategy<Value = String> {
    let part = prop_oneof![6 => 0..4_u64, 2 => 8..12_u64, 1 => 20_200_101_000_000..20_301_231_235_959_u64];
    let written = (part, prop_oneof![3 => Just(0_usize), 1 => 1..4_usize])
        .prop_map(|(number, zeros)| format!("{}{number}", "0".repeat(zeros)));
    let parts = prop::collection::vec((written, prop_oneof![Just('.'), Just('_')]), 1..5);
    (any::<bool>(), parts).prop_map(|(negative, parts)| {
        let text: String = parts.iter().flat_map(|(part, mark)| [part.clone(), mark.to_string()]).collect();
        format!("{}{}", if negative { "-" } else { "" }, &text[..text.len() - 1])
    })
}

fn parsed(text: &str) -> Version {
    Version::parse(text).unwrap()
}

proptest! {
    #[test]
    fn the_order_is_total(a in version(), b in version(), c in version()) {
        let (a, b, c) = (parsed(&a), parsed(&b), parsed(&c));
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
        prop_assert_eq!(a.partial_cmp(&b), Some(a.cmp(&b)));
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
        if a == b {
            prop_assert_eq!(a.cmp(&c), b.cmp(&c));
        }
    }

    #[test]
    fn the_order_is_that_of_numbers(text in version(), part in 0..4_usize, more in 1..1000_i128) {
        let mut numbers: Vec<i128> = text.replace('_', ".").split('.').map(|p| p.parse().unwrap()).collect();
        numbers.resize(numbers.len().max(part + 1), 0);
        numbers[part] += more;
        let greater = numbers.iter().map(i128::to_string).collect::<Vec<_>>().join(".");
        prop_assert!(parsed(&text) < parsed(&greater), "{} {}", text, greater);
    }

    #[test]
    fn zeros_that_say_nothing_change_nothing(text in version(), tail in 1..4_usize) {
        let padded: Vec<_> = text.split(['.', '_']).map(|part| match part.strip_prefix('-') {
            Some(digits) => format!("-00{digits}"),
            None => format!("00{part}"),
        }).collect();
        let longer = format!("{}{}", padded.join("."), ".0".repeat(tail));
        prop_assert_eq!(parsed(&text), parsed(&longer));
    }

    #[test]
    fn any_text_is_read_or_left(text in "\\PC{0,12}") {
        if let Some(version) = Version::parse(&text) {
            prop_assert_eq!(&version.text, &text.replace('_', "."));
            prop_assert_eq!(Version::parse(&version.text), Some(version));
        }
    }
}
