//! A version between two others.

use cofferdam_core::bundle::Version;

/// A version after `version` and before `next`, in the manner of the format; `None` where there is no room.
///
/// Formats whose versions have parts get one more part (`1.1.0.001` and `1.1.0.001.1`); whole numbers get the
/// number after, as wide as it was. Formats in which a file needs more than statements get none.
pub(super) fn between(format: &str, version: &str, next: Option<&str>) -> Option<String> {
    let next = next.and_then(Version::parse);
    let fits = |candidate: &String| {
        let Some(candidate) = Version::parse(candidate) else { return false };
        Version::parse(version).is_some_and(|v| v < candidate)
            && next.as_ref().is_none_or(|next| candidate < *next)
    };
    let candidates: Vec<String> = match format {
        "plain" | "sqlx" => {
            let number = version.parse::<u128>().ok()?.checked_add(1)?;
            vec![format!("{number:0width$}", width = version.len())]
        }
        "flyway" => (0..4).map(|zeros| format!("{version}{}.1", ".0".repeat(zeros))).collect(),
        // A file alone, or one with statements only, is none of their migrations.
        _ => return None,
    };
    candidates.into_iter().find(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_fits_between_two_others() {
        for (format, version, next, expected) in [
            ("flyway", "1.1.0.001", Some("1.1.0.002"), Some("1.1.0.001.1")),
            ("flyway", "1", Some("2"), Some("1.1")),
            ("flyway", "1", Some("1.1"), Some("1.0.1")),
            ("flyway", "1", Some("1.0.1"), Some("1.0.0.1")),
            ("flyway", "7", None, Some("7.1")),
            ("plain", "001", None, Some("002")),
            ("plain", "001", Some("003"), Some("002")),
            ("plain", "001", Some("002"), None),
            ("plain", "20240101120000", Some("20240102120000"), Some("20240101120001")),
        ] {
            assert_eq!(between(format, version, next).as_deref(), expected, "{format} {version} {next:?}");
        }
    }
}
