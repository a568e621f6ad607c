//! The keeper of keys: one thread of an open store that forgets keys in memory when some were destroyed or rotated, in whatever
//! process, and lets those age that nobody uses. No SQL.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::core::Core;
use crate::error::{OnFile, StoreError};
use crate::keys;

/// How often it looks whether keys have changed.
pub(crate) const LOOK: Duration = Duration::from_millis(250);
/// After how many looks keys age: one that is not used leaves memory after 10 to 20 minutes.
const AGE_LOOKS: u64 = 2_400;

/// Starts the thread. It ends when the store is closing.
pub(crate) fn start(core: &Arc<Core>) -> Result<JoinHandle<()>, StoreError> {
    let shared = Arc::clone(core);
    std::thread::Builder::new()
        .name("key-keeper".to_owned())
        .spawn(move || keep(&shared))
        .on("served by a thread", &core.folder)
}

fn keep(core: &Core) {
    let look = || core.readers.snapshot("looking for changes of keys", keys::changes);
    let mut known = look().unwrap_or(0);
    let mut looks = 0;
    while !core.closing.load(Ordering::SeqCst) {
        std::thread::park_timeout(LOOK);
        looks += 1;
        match look() {
            Ok(changes) if changes != known => {
                known = changes;
                core.keyring.forget();
                core.keyring.stores().reconsider();
            }
            Ok(_) => {}
            // Whoever reads records finds the fault; a key that may be gone is not kept meanwhile.
            Err(_) => core.keyring.forget(),
        }
        if looks % AGE_LOOKS == 0 {
            core.keyring.age();
        }
    }
}
