//! Sees to it that access entries reach the table soon, whatever holds the sequencer up: sites that are away, a round that
//! takes long. Data subjects of every process see an access within two seconds.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use super::drain;
use crate::core::Core;
use crate::error::{OnFile, StoreError};

/// How often the thread looks whether it is to end.
const LOOK: Duration = Duration::from_millis(25);
/// Looks after which entries are moved that nobody else has moved: three fifths of a second, a little more than a sequencer
/// that gets on takes between two rounds.
const LOOKS: u32 = 24;

/// Starts the thread.
pub(crate) fn start(core: &Arc<Core>) -> Result<JoinHandle<()>, StoreError> {
    let shared = Arc::clone(core);
    let thread = std::thread::Builder::new().name("journal-mover".to_owned());
    thread.spawn(move || serve(&shared)).on("served by a thread", &core.folder)
}

fn serve(core: &Core) {
    let (mut looks, mut drains) = (0, 0);
    while !core.closing.load(Ordering::SeqCst) {
        std::thread::sleep(LOOK);
        looks += 1;
        if looks < LOOKS {
            continue;
        }
        looks = 0;
        let moved = if core.drains.load(Ordering::Relaxed) == drains { drain::own(core) } else { Ok(()) };
        drains = core.drains.load(Ordering::Relaxed);
        if let Err(error) = moved.and_then(|()| drain::orphans(core)) {
            tracing::warn!(%error, "access entries stay in their journal for now");
            metrics::counter!("hanmaru_store_journal_unmoved").increment(1);
        }
    }
}
