//! Whether a change of type rewrites its table.

use cofferdam_core::TableChange;
use cofferdam_dialects::postgres::locks;

use crate::Scene;

/// `None`: the old type decides, and it is not known.
pub(crate) fn rewrites(_scene: &Scene, _old: Option<&str>, _change: &TableChange) -> Option<bool> {
    None
}
