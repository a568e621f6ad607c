//! What was corrected later. Both the first and the corrected version are kept (Medical Service Act, art. 21(1)).

use super::{Moment, Story};
use crate::rng::Rng;
use crate::roster::Role;

/// The corrections in one chart, by place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Amendments {
    /// The visit whose main diagnosis was first written as suspected.
    pub(crate) condition: Option<usize>,
    /// The visit whose first laboratory value was first entered wrongly.
    pub(crate) observation: Option<usize>,
    /// Whether one document was replaced.
    pub(crate) document: bool,
}

impl Amendments {
    /// Draws the corrections; a patient with [`Role::Amended`] has one of each that the chart allows.
    pub(crate) fn draw(rng: &mut Rng, story: &Story, role: Role) -> Self {
        let sure = role == Role::Amended;
        let tested: Vec<usize> =
            (0..story.visits.len()).filter(|place| story.visits[*place].results.is_some()).collect();
        let visit = rng.below(story.visits.len());
        Self {
            condition: (sure || rng.percent(12)).then_some(visit),
            observation: (!tested.is_empty() && (sure || rng.percent(10))).then(|| tested[rng.below(tested.len())]),
            document: sure || rng.percent(15),
        }
    }
}

/// When a correction of something written at `first` was made.
pub(crate) fn corrected_at(first: Moment) -> Moment {
    first.days_later(6).later(35)
}
