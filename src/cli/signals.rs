//! Ctrl-C and SIGTERM: the first stops cleanly, the second at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::output::Output;

/// Fires `cancel` on the first signal, and ends the process on the second. Watching ends
/// when what is returned is dropped.
pub(super) fn watch(cancel: CancellationToken, output: &Output) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        output.line("warning: signals cannot be watched, so Ctrl-C ends this without tidying up");
        return tasks;
    };
    tasks.spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        cancel.cancel();
        either(&mut interrupt, &mut terminate).await;
        #[expect(clippy::disallowed_methods, clippy::exit, reason = "the user insists")]
        std::process::exit(Exit::Interrupted.code().into());
    });
    tasks
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
