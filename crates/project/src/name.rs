//! The names of scripts.
//!
//! SQL: `V1.1.0.001__Add_orders_table.sql`, `U` for its rollback, `C` for its validation. MongoDB:
//! `20260102150405-add-orders.js`, with `rollback-` or `validate-` before the description.

use crate::release::Release;
use crate::script::Role;

/// What a name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) role: Role,
    pub(crate) number: u128,
    pub(crate) digits: String,
    pub(crate) description: String,
}

/// The first letters of SQL files.
const LETTERS: [(char, Role); 3] = [('V', Role::Forward), ('U', Role::Rollback), ('C', Role::Validation)];

/// Reads the name of an SQL file of a version.
///
/// # Errors
/// What is wrong with it, with the name that was probably meant.
pub(crate) fn sql(name: &str, release: &Release) -> Result<Name, String> {
    let plain = release.plain();
    let wanted = |letter: char| format!("{letter}{plain}.001__name.sql");
    let Some(stem) = name.strip_suffix(".sql") else {
        return Err(format!("the ending is .sql, in small letters: {}", wanted('V')));
    };
    let letter = stem.chars().next().unwrap_or(' ');
    let Some((_, role)) = LETTERS.iter().find(|(known, _)| *known == letter) else {
        let capital = letter.to_ascii_uppercase();
        return Err(match LETTERS.iter().any(|(known, _)| *known == capital) {
            true => format!("the {capital} must be a capital: {capital}{}", &name[1..]),
            false => format!("V, U (rollback) or C (validation) and the version come first: {}", wanted('V')),
        });
    };
    let rest = &stem[1..];
    let Some((version, description)) = rest.split_once("__") else {
        return Err(format!("two underscores stand before the description: {}", wanted(letter)));
    };
    let Some(digits) = version.strip_prefix(&plain).and_then(|rest| rest.strip_prefix('.')) else {
        return Err(format!(
            "it says version {version}, and it lies in the directory of {release}: {}",
            wanted(letter)
        ));
    };
    let number = number(digits).ok_or_else(|| {
        format!("a number stands between the version and the underscores: {}", wanted(letter))
    })?;
    if description.trim_matches('_').is_empty() {
        return Err(format!("there is no description: {letter}{plain}.{digits}__name.sql"));
    }
    Ok(Name { role: *role, number, digits: digits.to_owned(), description: description.replace('_', " ") })
}

/// Reads the name of a JavaScript file. What it is for shows in the directory, and again in the name.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn javascript(name: &str, role: Role) -> Result<Name, String> {
    let mark = match role {
        Role::Forward => "",
        Role::Rollback => "rollback-",
        Role::Validation => "validate-",
    };
    let wanted = format!("20260102150405-{mark}name.js");
    let Some((digits, rest)) = name.strip_suffix(".js").and_then(|stem| stem.split_once('-')) else {
        return Err(format!("a moment, - and a description make the name: {wanted}"));
    };
    let number = number(digits).ok_or_else(|| format!("the name begins with a moment: {wanted}"))?;
    let description = rest
        .strip_prefix(mark)
        .filter(|description| !description.is_empty())
        .ok_or_else(|| format!("behind the moment comes {mark}DESCRIPTION: {wanted}"))?;
    Ok(Name { role, number, digits: digits.to_owned(), description: description.replace('-', " ") })
}

fn number(digits: &str) -> Option<u128> {
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_users_wrote_them_down_are_read() {
        let release = Release::parse("v1.1.0").unwrap();
        let name = sql("V1.1.0.001__Add_orders_table.sql", &release).unwrap();
        assert_eq!(
            (name.role, name.number, name.description.as_str()),
            (Role::Forward, 1, "Add orders table")
        );
        assert_eq!(sql("U1.1.0.100__x.sql", &release).unwrap().role, Role::Rollback);
        assert_eq!(sql("C1.1.0.100__x.sql", &release).unwrap().number, 100);
        let name = javascript("001-add-orders-collection-v1.1.0.js", Role::Forward).unwrap();
        assert_eq!((name.number, name.description.as_str()), (1, "add orders collection v1.1.0"));
        let back = javascript("20260102150405-rollback-add-orders.js", Role::Rollback).unwrap();
        assert_eq!(back.description, "add orders");
    }

    #[test]
    fn a_wrong_name_is_told_with_the_right_one() {
        let release = Release::parse("v1.1.0").unwrap();
        for (name, says) in [
            ("V1.0.0.001__x.sql", "it says version 1.0.0.001, and it lies in the directory of v1.1.0"),
            ("V1.1.0__x.sql", "it says version 1.1.0"),
            ("V1.1.01__x.sql", "it says version 1.1.01"),
            ("V1.1.0.1a__x.sql", "a number stands between"),
            ("V1.1.0.__x.sql", "a number stands between"),
            ("V1.1.0.001_x.sql", "two underscores"),
            ("V1.1.0.001__.sql", "there is no description"),
            ("v1.1.0.001__x.sql", "V1.1.0.001__x.sql"),
            ("orders.sql", "come first"),
            ("äV.sql", "come first"),
            ("R__x.sql", "come first"),
            ("V1.1.0.001__x.SQL", ".sql"),
            (".sql", "come first"),
            ("V1.1.0.999999999999999999999999999999999999999999__x.sql", "a number stands"),
        ] {
            let said = sql(name, &release).unwrap_err();
            assert!(said.contains(says), "{name}: {said}");
        }
        for (name, role) in [
            ("add.js", Role::Forward),
            ("x-add.js", Role::Forward),
            ("1-.js", Role::Forward),
            ("1-add.js", Role::Rollback),
            ("1-rollback-.js", Role::Rollback),
            ("1-add.ts", Role::Forward),
        ] {
            assert!(javascript(name, role).is_err(), "{name}");
        }
    }
}
