//! No pooler in transaction mode stands in between.

use cofferdam_core::{Code, Refusal};

use super::{Check, Look, Takes, Verdict};

pub(super) static CHECK: Check = Check {
    id: "pooler",
    about: "no connection pooler in transaction mode stands in between",
    takes: Takes::Nothing,
    asks: |_, _| vec![Look::Pooler],
    judge: |_, found| match found.pooled {
        false => Verdict::Holds("none in transaction mode was seen".into()),
        true => Verdict::Fails(Box::new(
            Refusal::new(
                Code::PoolerNotSupported,
                "the address is that of a connection pooler in transaction mode",
            )
            .cause("two connections were served by one backend, so the run lock would exclude nobody")
            .help("give the server's own host and port in --url (or a pooler in session mode)"),
        )),
    },
};
