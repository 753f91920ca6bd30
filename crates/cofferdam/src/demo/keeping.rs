//! How the demonstration is ended early, and how its server is kept for a while.

use super::stage::Stage;
use super::story::Story;

/// Ends when the person at the keyboard, or whoever runs us, wants us to: since this was called, not since it is waited
/// for.
#[cfg(unix)]
pub(super) fn interrupted() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    async {
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = signals else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// See above.
#[cfg(not(unix))]
pub(super) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// Leaves the server running until Enter or a signal, and says how to reach it.
pub(super) async fn until_dismissed(story: &Story<'_>, stage: &Stage) {
    // Before the person reads of it.
    let interrupted = interrupted();
    story.line("the server is left running; Enter or Ctrl-C ends it and removes its files");
    story.line(&stage.shell());
    story.line(&format!("cofferdam status --url '{}' --dir {}", stage.url, stage.directory().display()));
    tokio::select! {
        () = entered() => {}
        () = interrupted => {}
    }
}

/// Ends when a line is entered. The end of the input is no line: then only a signal ends the wait.
async fn entered() {
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)
    });
    if !matches!(line.await, Ok(Ok(read)) if read > 0) {
        std::future::pending().await
    }
}
