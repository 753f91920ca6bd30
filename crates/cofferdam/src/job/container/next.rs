//! What comes next for a container: the signal decides. Pure.

use cofferdam_operator::contract::How;

/// What is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The signal has the value.
    pub(super) reached: bool,
    /// The signal is as it was before the last start.
    pub(super) unchanged: bool,
    /// A run of this object is open.
    pub(super) open: Open,
    /// How the last container ended, by the cluster.
    pub(super) left: Option<How>,
    /// It may run twice.
    pub(super) idempotent: bool,
}

/// The open run of this object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    /// There is none.
    No,
    /// It is of this order, and a start of it has no known end.
    Started,
    /// It is of this order, and waits for a person.
    Stuck,
    /// It is of an earlier order, or a person stated a fact: whoever asks anew says that it is to be started again.
    Earlier,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is done.
    Done,
    /// The container is to be started; what is open is given up.
    Start,
    /// It ended well, and the signal does not say so.
    Missing,
    /// It failed.
    Failed,
    /// Whether it did anything is not known.
    Unknown,
}

/// Decides.
pub(super) fn next(known: Known) -> Next {
    if known.reached {
        return Next::Done;
    }
    match (known.left, known.open) {
        (Some(How::Complete), _) => Next::Missing,
        (Some(How::Failed), _) => Next::Failed,
        // That of this Job was not started; one before it may have been.
        (Some(How::Never), Open::No | Open::Earlier | Open::Started) => Next::Start,
        (Some(How::Never), Open::Stuck) => Next::Unknown,
        (None, Open::No | Open::Earlier) => Next::Start,
        (None, Open::Started) if known.idempotent && known.unchanged => Next::Start,
        (None, Open::Started | Open::Stuck) => Next::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signal_decides() {
        use How::{Complete, Failed, Never};
        use Open::{Earlier, No, Started, Stuck};
        // Open run, what the cluster says, idempotent, unchanged, and what comes next.
        type Case = (Open, Option<How>, bool, bool, Next);
        let cases: &[Case] = &[
            (No, None, false, true, Next::Start),
            (No, Some(Never), false, true, Next::Start),
            // It was ended already, by a runner that did not live to say so.
            (No, Some(Complete), false, true, Next::Missing),
            (No, Some(Failed), true, true, Next::Failed),
            (Started, Some(Complete), false, true, Next::Missing),
            (Started, Some(Complete), true, false, Next::Missing),
            (Started, Some(Failed), false, true, Next::Failed),
            (Started, Some(Failed), true, true, Next::Failed),
            (Started, Some(Never), false, true, Next::Start),
            (Started, None, false, true, Next::Unknown),
            (Started, None, false, false, Next::Unknown),
            (Started, None, true, true, Next::Start),
            (Started, None, true, false, Next::Unknown),
            (Stuck, None, true, true, Next::Unknown),
            (Stuck, Some(Never), false, true, Next::Unknown),
            (Stuck, Some(Failed), false, true, Next::Failed),
            (Earlier, None, false, false, Next::Start),
            (Earlier, Some(Never), false, true, Next::Start),
        ];
        for (open, left, idempotent, unchanged, expected) in cases {
            let known = |reached| Known {
                reached,
                unchanged: *unchanged,
                open: *open,
                left: *left,
                idempotent: *idempotent,
            };
            assert_eq!(next(known(false)), *expected, "{:?}", known(false));
            // Whatever else is said.
            assert_eq!(next(known(true)), Next::Done, "{:?}", known(true));
        }
    }
}
