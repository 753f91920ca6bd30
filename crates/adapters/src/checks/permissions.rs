//! The role may do all that the plans need.

use cofferdam_core::{Code, Refusal};

use super::{Check, Look, Takes, Verdict};

pub(super) static CHECK: Check = Check {
    id: "permissions",
    about: "the role may do all that the plan needs; each missing right is named with its GRANT",
    takes: Takes::Nothing,
    asks: |_, _| vec![Look::Rights],
    judge: |_, found| {
        if found.missing.is_empty() {
            return Verdict::Holds("the role has all the rights that are needed".into());
        }
        let whats: Vec<&str> = found.missing.iter().map(|m| m.what.as_str()).collect();
        let refusal = Refusal::new(Code::PermissionMissing, "rights are missing; nothing was changed")
            .cause(whats.join("; "))
            .help("as the owner or a superuser run the statements below, then the same command again");
        let notes = found.missing.iter().map(|m| format!("{};", m.grant.trim_end_matches(';')));
        Verdict::Fails(Box::new(notes.fold(refusal, Refusal::note)))
    },
};
