//! What is parked: screens and documents.

use cofferdam_core::park::Parked;
use serde::Serialize;

use super::table::Columns;
use super::words;

/// The document of kind `Parked`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParkedView {
    pub(crate) database: String,
    pub(crate) parked: Vec<Parked>,
}

impl ParkedView {
    pub(crate) fn new(database: &str, parked: Vec<Parked>) -> Self {
        Self { database: database.to_owned(), parked }
    }

    /// The screen.
    pub(crate) fn text(&self) -> String {
        if self.parked.is_empty() {
            return format!("nothing is parked in {}", self.database);
        }
        let mut table =
            Columns::new(&["NAME", "WAS", "MIGRATION", "PARKED", "KEPT UNTIL", "SIZE", "STATE"]).right(5);
        for one in &self.parked {
            table.row([
                one.name.clone(),
                one.object.to_string(),
                one.key.clone(),
                words::minute(&one.parked_at),
                words::minute(&one.until),
                one.bytes.map(size).unwrap_or_default(),
                state(one),
            ]);
        }
        let mut out = table.text();
        for one in self.parked.iter().filter(|one| !one.notes.is_empty()) {
            out += &one.notes.iter().map(|note| format!("{}: {note}\n", one.name)).collect::<String>();
        }
        if self.parked.iter().any(|one| one.is_there() && one.expired) {
            out += "the time of some has passed: cofferdam finalize --expired drops them for good, nothing else does\n";
        }
        out
    }
}

fn state(one: &Parked) -> String {
    match (&one.ended, &one.ended_at) {
        (Some(how), Some(at)) => format!("{how} {}", words::minute(at)),
        _ if one.expired => "there, its time has passed".to_owned(),
        _ => "there".to_owned(),
    }
}

/// `8 kB`, `1.5 GB`.
fn size(bytes: u64) -> String {
    match bytes as f64 {
        b if b < 1e6 => format!("{:.0} kB", b / 1e3),
        b if b < 1e9 => format!("{:.0} MB", b / 1e6),
        b => format!("{:.1} GB", b / 1e9),
    }
}

/// The documents of kinds `Undropped`, `UndropPlan`, `Finalized` and `FinalizePlan`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndedView {
    pub(crate) database: String,
    pub(crate) parked: Vec<OneView>,
    #[serde(skip)]
    verb: &'static str,
}

/// One that is not parked any more, or will not be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneView {
    pub(crate) name: String,
    /// `table public.orders`.
    pub(crate) what: String,
    /// `undropped` or `dropped`; absent while it is there.
    pub(crate) ended: Option<String>,
    /// What a person should know.
    pub(crate) notes: Vec<String>,
}

impl EndedView {
    /// What would be done.
    pub(crate) fn planned(database: &str, verb: &'static str, parked: &[Parked]) -> Self {
        Self::done(database, verb, parked, parked)
    }

    /// What was done with these, by what the database says now.
    pub(crate) fn done(database: &str, verb: &'static str, wanted: &[Parked], now: &[Parked]) -> Self {
        let named = |name: &str| now.iter().find(|one| one.name == name);
        let one = |one: &Parked| OneView {
            name: one.name.clone(),
            what: one.object.to_string(),
            ended: named(&one.name).and_then(|now| now.ended.clone()),
            notes: named(&one.name).map(|now| now.notes.clone()).unwrap_or_default(),
        };
        Self { database: database.to_owned(), parked: wanted.iter().map(one).collect(), verb }
    }

    /// The screen.
    pub(crate) fn text(&self) -> String {
        if self.parked.is_empty() {
            return format!("nothing to do in {}", self.database);
        }
        let mut out = String::new();
        for one in &self.parked {
            out += &format!("{} {}, parked as {}\n", self.verb, one.what, one.name);
            out += &one.notes.iter().map(|note| format!("  note: {note}\n")).collect::<String>();
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::Name;
    use cofferdam_core::park::Object;

    use super::*;

    fn parked(ended: Option<&str>, expired: bool) -> Parked {
        Parked {
            name: "cofferdam_parked_20261122_orders".into(),
            label: "0123456789ab".into(),
            object: Object::Tables { names: vec![Name::qualified("public", "orders")], cascade: false },
            kept_in: vec![],
            run: uuid::Uuid::nil(),
            key: "1.5.0".into(),
            parked_at: "2026-11-22T10:02:33.123456Z".into(),
            parked_by: "alice@host".into(),
            until: "2026-11-29T10:02:33.123456Z".into(),
            expired,
            bytes: ended.is_none().then_some(1_500_000_000),
            ended_at: ended.map(|_| "2026-11-23T10:02:33Z".into()),
            ended: ended.map(Into::into),
            notes: ended.map(|_| "foreign key x is not back".into()).into_iter().collect(),
        }
    }

    #[test]
    fn the_list() {
        let view = ParkedView::new("shop", vec![parked(None, true), parked(Some("undropped"), false)]);
        let text = view.text();
        for part in
            ["table public.orders", "1.5 GB", "there, its time has passed", "undropped 2026-11-23 10:02"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("cofferdam_parked_20261122_orders: foreign key x is not back\n"), "{text}");
        assert!(text.ends_with("nothing else does\n"), "{text}");
        assert_eq!(ParkedView::new("shop", vec![]).text(), "nothing is parked in shop");
    }

    #[test]
    fn the_end() {
        let wanted = [parked(None, false)];
        let view = EndedView::done("shop", "brought back", &wanted, &[parked(Some("undropped"), false)]);
        assert_eq!(
            view.text(),
            "brought back table public.orders, parked as cofferdam_parked_20261122_orders\n  note: foreign key x is not back\n"
        );
        let document = serde_json::to_value(&view).unwrap();
        assert_eq!(document["parked"][0]["ended"], "undropped");
    }
}
