//! The one writer thread of a process: many callers' tasks share one transaction and so one fsync.
//!
//! A task that fails is undone alone, the others are committed. Answers are given after the commit is durable. Other processes have
//! writers of their own; SQLite serialises the transactions.
//!
//! The first task of a transaction is undone with it; those behind it run in a savepoint each. A savepoint keeps a copy of every page
//! that is touched, and each statement with a trigger goes through all of them: on a hundred resources that took a third of the
//! writer's time, so only small tasks share a transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use base::Seams;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{AtStep, StoreError};
use crate::lasting::Tasks;
use crate::seams;

/// Tasks that may wait; who comes later waits to hand its task in.
const WAITING_MAX: usize = 64;
/// Rows of a task that is alone in its transaction: one fsync is little beside what it does.
const LARGE_ROWS: usize = 200;
/// Rows after which a transaction takes in no further task.
const GROUP_ROWS: usize = 4_000;

/// One caller's work, and where its answer goes.
trait Task: Send {
    fn rows(&self) -> usize;
    /// Runs the work. `false` undoes it.
    fn run(&mut self, transaction: &Transaction<'_>) -> bool;
    /// Told once the transaction is durable, or why it is not.
    fn finish(self: Box<Self>, committed: Result<(), &str>);
}

/// Hands tasks to the writer thread.
pub(crate) struct Writer {
    tasks: Option<SyncSender<Box<dyn Task>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on a connection made by [`crate::connection::open_writer`].
    pub(crate) fn start(connection: Connection, numbers: Tasks, seams: Seams) -> Result<Self, StoreError> {
        let (tasks, queue) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(connection, &queue, &numbers, &seams))
            .map_err(|error| StoreError::Commit { reason: error.to_string() })?;
        Ok(Self { tasks: Some(tasks), thread: Some(thread) })
    }

    /// Runs `work` in a transaction, with others' work, and waits until it is durable. An error of the work undoes it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.submit(rows, work)?.recv().unwrap_or(Err(StoreError::Closing))
    }

    /// As [`Writer::run`], without waiting.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Receiver<Result<T, StoreError>>, StoreError> {
        let (answer, receiver) = sync_channel(1);
        let task = Work { rows, work: Some(work), result: None, answer };
        let tasks = self.tasks.as_ref().ok_or(StoreError::Closing)?;
        tasks.send(Box::new(task)).map_err(|_| StoreError::Closing)?;
        Ok(receiver)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // What was handed in is still done: the thread ends when the channel is empty.
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work<T, F> {
    rows: usize,
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    answer: SyncSender<Result<T, StoreError>>,
}

impl<T, F> Task for Work<T, F>
where
    T: Send,
    F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send,
{
    fn rows(&self) -> usize {
        self.rows
    }

    fn run(&mut self, transaction: &Transaction<'_>) -> bool {
        let work = self.work.take().expect("a task runs once");
        let result = catch_unwind(AssertUnwindSafe(|| work(transaction)))
            .unwrap_or_else(|_| Err(StoreError::Commit { reason: "the task panicked".to_owned() }));
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn finish(mut self: Box<Self>, committed: Result<(), &str>) {
        let failed = |reason: &str| Err(StoreError::Commit { reason: reason.to_owned() });
        let result = match (self.result.take(), committed) {
            (Some(Err(error)), _) => Err(error),
            (Some(result), Ok(())) => result,
            (_, Err(reason)) => failed(reason),
            (None, Ok(())) => failed("the task did not run"),
        };
        // Nobody is left to hear it where the caller has gone: the work stays done.
        let _ = self.answer.send(result);
    }
}

fn serve(mut connection: Connection, queue: &Receiver<Box<dyn Task>>, tasks: &Tasks, seams: &Seams) {
    let mut held = None;
    while let Some(first) = held.take().or_else(|| queue.recv().ok()) {
        let mut group = vec![first];
        // A large one that comes behind begins the next transaction.
        let more = || match queue.try_recv() {
            Ok(next) if next.rows() < LARGE_ROWS => Some(next),
            next => {
                held = next.ok();
                None
            }
        };
        let committed =
            commit_group(&mut connection, &mut group, more, tasks, seams).map_err(|error| error.to_string());
        if let Err(reason) = &committed {
            tracing::error!(%reason, "a transaction was not committed");
            metrics::counter!("hanmaru_store_commits_failed").increment(1);
        }
        metrics::counter!("hanmaru_store_commits").increment(1);
        for task in group {
            task.finish(committed.as_ref().copied().map_err(String::as_str));
        }
    }
}

/// Runs the task of the group, and where it is small those that wait behind it, in one transaction. Tasks stand in `group`, whatever
/// happens.
fn commit_group(
    connection: &mut Connection,
    group: &mut Vec<Box<dyn Task>>,
    mut more: impl FnMut() -> Option<Box<dyn Task>>,
    tasks: &Tasks,
    seams: &Seams,
) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Commit { reason: error.to_string() };
    seams.at(seams::BEGIN).map_err(failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).at("beginning to write")?;
    let mut rows = 0;
    loop {
        let is_first = group.len() == 1;
        let task = group.last_mut().expect("the group begins with one task");
        rows += task.rows();
        tasks.next();
        if !is_first {
            transaction.execute_batch("SAVEPOINT task").at("setting a savepoint")?;
        }
        let keep = task.run(&transaction);
        if transaction.is_autocommit() {
            // A full disk and the like end the whole transaction; nothing of this group was written.
            return Err(StoreError::Commit { reason: "the database gave the transaction up".to_owned() });
        }
        match (is_first, keep) {
            (true, true) => {}
            (true, false) => return transaction.rollback().at("undoing a task"),
            (false, true) => transaction.execute_batch("RELEASE task").at("ending a savepoint")?,
            (false, false) => transaction.execute_batch("ROLLBACK TO task; RELEASE task").at("ending a savepoint")?,
        }
        if rows >= GROUP_ROWS || group[0].rows() >= LARGE_ROWS {
            break;
        }
        match more() {
            Some(next) => group.push(next),
            None => break,
        }
    }
    seams.at(seams::COMMIT).map_err(failed)?;
    transaction.commit().at("committing")?;
    seams.at(seams::COMMITTED).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer() -> Writer {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch("CREATE TABLE t (n INTEGER)").expect("a table");
        Writer::start(connection, Tasks::uncounted(), Seams::default()).expect("a thread")
    }

    fn count(writer: &Writer) -> i64 {
        writer.run(1, |tx| tx.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).at("counting")).expect("counts")
    }

    #[test]
    fn a_task_that_fails_or_panics_is_undone_alone() {
        let writer = writer();
        let insert = |tx: &Transaction<'_>| tx.execute("INSERT INTO t VALUES (1)", []).at("inserting");
        let answers = [
            writer.submit(1, move |tx| insert(tx).map(|_| ())).expect("open"),
            writer.submit(1, move |tx| insert(tx).and(Err(StoreError::Closing))).expect("open"),
            writer
                .submit(1, move |tx| {
                    insert(tx)?;
                    panic!("a task may be wrong");
                })
                .expect("open"),
            writer.submit(1, move |tx| insert(tx).map(|_| ())).expect("open"),
        ];
        let answers: Vec<bool> = answers.iter().map(|answer| answer.recv().expect("answered").is_ok()).collect();
        assert_eq!(answers, [true, false, false, true]);
        assert_eq!(count(&writer), 2);
    }

    #[test]
    fn what_was_handed_in_is_done_before_the_writer_ends() {
        let writer = writer();
        let answers: Vec<_> = (0..50)
            .map(|_| writer.submit(1, |tx| tx.execute("INSERT INTO t VALUES (1)", []).at("inserting")).expect("open"))
            .collect();
        drop(writer);
        assert!(answers.iter().all(|answer| matches!(answer.recv(), Ok(Ok(1)))));
    }
}
