//! The server takes writes.

use cofferdam_core::{Code, Refusal};

use super::{Check, Look, Takes, Verdict};

pub(super) static CHECK: Check = Check {
    id: "connection",
    about: "the server answers and takes writes",
    takes: Takes::Nothing,
    asks: |_, _| vec![Look::Server],
    judge: |_, found| match &found.server {
        None => Verdict::unread("nothing is known of the server", "it was not asked", "cofferdam doctor"),
        Some(server) if server.read_only => Verdict::Fails(Box::new(
            Refusal::new(Code::ReadOnlyServer, "the server takes no writes")
                .cause("it is a standby, or default_transaction_read_only or read_only is on")
                .help("connect to the primary"),
        )),
        Some(_) => Verdict::Holds("the server takes writes".into()),
    },
};
