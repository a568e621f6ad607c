//! Seams: named places in the program where a test may hold a thread up, or make a step fail as a disk would. In the
//! program nothing is behind them. Not where faults are decided: tests bring that.

use std::fmt;
use std::io;
use std::sync::Arc;

/// What a test puts behind the seams of a process.
pub trait Seam: Send + Sync {
    /// A thread has come to a place. It may be held up here; an error is what the step there ends with.
    ///
    /// # Errors
    /// What the system would say, such as that the disk is full.
    fn at(&self, place: &'static str) -> io::Result<()>;
}

/// The seams of one process. The default has nothing behind them. A cheap handle.
#[derive(Clone, Default)]
pub struct Seams(Option<Arc<dyn Seam>>);

impl Seams {
    /// Seams with a test behind them.
    #[must_use]
    pub fn with(seam: Arc<dyn Seam>) -> Self {
        Self(Some(seam))
    }

    /// Passes a place.
    ///
    /// # Errors
    /// Those of [`Seam::at`].
    pub fn at(&self, place: &'static str) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |seam| seam.at(place))
    }
}

impl fmt::Debug for Seams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Seams(a test)" } else { "Seams" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_behind_them_unless_a_test_is() {
        struct Full;
        impl Seam for Full {
            fn at(&self, _place: &'static str) -> io::Result<()> {
                Err(io::ErrorKind::StorageFull.into())
            }
        }
        assert!(Seams::default().at("anywhere").is_ok());
        assert!(Seams::with(Arc::new(Full)).at("anywhere").is_err());
    }
}
