//! The cases, read from the files of the folder `cases`.

/// What is written behind `-- way back:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WayBack {
    /// It leads back to the last byte. This is so where nothing is written.
    There,
    /// `none`: what is gone or not known cannot be brought back, and rollback says so.
    None,
    /// `stays`: nothing is to be taken back, and nothing is: a constraint that was found valid remains so.
    Stays,
    /// `any`: it leads back to the last byte, or there is none; not something in between.
    Any,
}

/// A change to the shop.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) number: usize,
    pub(crate) name: String,
    /// What is done to the shop first.
    pub(crate) before: String,
    /// The migration.
    pub(crate) change: String,
    pub(crate) way_back: WayBack,
}

const FILES: &[&str] = &[
    include_str!("cases/column.sql"),
    include_str!("cases/constraint.sql"),
    include_str!("cases/index.sql"),
    include_str!("cases/object.sql"),
    include_str!("cases/data.sql"),
];

pub(crate) fn all() -> Vec<Case> {
    let texts = FILES.iter().flat_map(|file| file.split("-- case: ").skip(1));
    texts.enumerate().map(|(number, text)| case(number, text)).collect()
}

fn case(number: usize, text: &str) -> Case {
    let (name, rest) = text.split_once('\n').unwrap();
    let (head, change) = rest.split_once("-- change:\n").unwrap_or_else(|| panic!("{name} has no change"));
    let way_back = match head.split_once("-- way back: ").map(|(_, rest)| rest.trim()) {
        None => WayBack::There,
        Some("none") => WayBack::None,
        Some("stays") => WayBack::Stays,
        Some("any") => WayBack::Any,
        Some(other) => panic!("{name}: the way back is {other}"),
    };
    let before = head.split("-- way back: ").next().unwrap().trim_start_matches("-- before:\n");
    Case { number, name: name.to_owned(), before: before.to_owned(), change: change.to_owned(), way_back }
}
