//! One key store as its process knows it: its lane of writes, and questions that nobody waits for longer than patience lasts. A
//! network folder may never answer. Not what its files mean.

use super::file::{FILE_MAGIC, Found, scan};
use super::gone::Destroyed;
use super::place::{GONE, KEYS, Place, entries_in, file_name, gone_name};
use super::stores::Quarantined;
use crate::folder::Fault;
use crate::lane::{Asking, Lane};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Store {
    pub(super) place: Arc<Place>,
    pub(super) lane: Lane,
    pub(super) asking: Asking,
    /// How long an answer may take.
    pub(super) answer_wait: Duration,
}

impl Store {
    /// Asks the store, and comes away where it hangs.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Place) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.ask_for(self.answer_wait, question)
    }

    /// As [`Store::ask`], for what takes its time.
    pub(super) fn ask_for<T: Send + 'static>(
        &self,
        patience: Duration,
        question: impl FnOnce(&Place) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let place = Arc::clone(&self.place);
        self.asking.ask(patience, move || question(&place)).unwrap_or_else(|| {
            self.place.hangs();
            Err(Fault::Slow)
        })
    }

    /// Whether the store is there, for its state.
    pub(super) fn look(&self) -> bool {
        self.ask(|place| Ok(place.look())).unwrap_or(false)
    }

    /// Appends a batch that other stores have, of any size.
    pub(super) fn append_copied(&self, batch: Vec<u8>) -> Result<(), Fault> {
        let mebibytes = batch.len() as u64 >> 20;
        self.ask_for(self.answer_wait + Duration::from_secs(mebibytes), move |place| place.append_copied(&batch))
    }

    /// Writes entries of the list of destroyed keys, durable when this returns.
    pub(super) fn append_gone(&self, entries: Arc<[Destroyed]>) -> Result<(), Fault> {
        self.ask(move |place| place.append_gone(&entries))
    }

    /// Shows every sound record's payload, file by file.
    pub(super) fn visit(&self, quarantined: &mut Vec<Quarantined>, see: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        for number in self.ask(|place| place.listing(KEYS))? {
            let Some(bytes) = self.ask(move |place| place.read(KEYS, number))? else { continue };
            scan(&bytes, FILE_MAGIC, &mut |found| match found {
                Found::Record(payload) => see(payload),
                Found::Damaged(range) => {
                    let (store, file, tail) = (self.place.name.clone(), file_name(number), range.end == bytes.len());
                    quarantined.push(Quarantined { store, file, bytes: range, tail });
                }
            });
        }
        Ok(())
    }

    /// Shows every sound entry of the list of destroyed keys.
    ///
    /// # Errors
    /// [`Fault::Damaged`] where something else than the end of the newest file is no entry: this list is not all that it was, and
    /// does not tell what is destroyed.
    pub(super) fn visit_gone(&self, see: &mut dyn FnMut(Destroyed)) -> Result<(), Fault> {
        let numbers = self.ask(|place| place.listing(GONE))?;
        let mut read = Ok(());
        for number in numbers.iter().copied() {
            let Some(bytes) = self.ask(move |place| place.read(GONE, number))? else { continue };
            if !entries_in(&bytes, numbers.last() == Some(&number), see) {
                read = Err(Fault::Damaged(gone_name(number)));
            }
        }
        read
    }
}
