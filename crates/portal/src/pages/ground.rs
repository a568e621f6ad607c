//! A ground in words, for whoever asked for it and whoever confirms it, and the pages of a list of grounds. What tells two grounds
//! apart is said, and nothing of a record.

use crate::Portal;
use crate::error::PageError;
use crate::pages::watch_case::short;
use crate::places;
use crate::texts::Texts;
use policy::{InstitutionCode, Share};
use std::collections::{BTreeMap, BTreeSet};
use store::{GroundCursor, GroundEntry, GroundPage, NamedPatient};

/// Grounds on one page of a list.
pub(crate) const GROUNDS: usize = 50;

/// The names of institutions by code.
pub(crate) type PlaceNames = BTreeMap<String, String>;

/// The names of the institutions that some grounds reach.
pub(crate) fn place_names(portal: &Portal, grounds: &[GroundEntry]) -> Result<PlaceNames, PageError> {
    let codes: BTreeSet<&InstitutionCode> = grounds.iter().filter_map(|ground| ground.institution.as_ref()).collect();
    let mut names = PlaceNames::new();
    for code in codes {
        if let Some(institution) = portal.archive().institution(code)? {
            names.insert(code.to_string(), institution.name);
        }
    }
    Ok(names)
}

/// A ground in words.
pub(crate) struct GroundLine {
    pub id: String,
    pub title: String,
    /// Of whom, of which institution, and how much.
    pub about: String,
    pub reason: String,
    pub until: String,
    pub state: String,
    pub waits: bool,
}

/// Of whom a ground is said to be.
pub(crate) enum Whose<'a> {
    /// The number that they have here.
    Known,
    /// What whoever asked typed, where that is known still: which numbers are one person they learn once it is confirmed.
    Typed(Option<&'a NamedPatient>),
}

impl GroundLine {
    pub fn new(t: &Texts, ground: &GroundEntry, places: &PlaceNames, whose: &Whose<'_>) -> Self {
        let waits = ground.confirmed.is_none();
        Self {
            id: ground.id.to_string(),
            title: t.t(&format!("ground-{}", ground.kind.name())),
            about: about(t, ground, places, whose),
            reason: ground.reason.expose().clone(),
            until: t.t1("ground-until", "date", t.moment(ground.until)),
            state: t.t(if waits { "ground-waiting" } else { "ground-open" }),
            waits,
        }
    }
}

/// What a ground reaches. A patient is told by the beginning of the number that they have here: it tells two people apart, and says
/// nobody's name.
fn about(t: &Texts, ground: &GroundEntry, places: &PlaceNames, whose: &Whose<'_>) -> String {
    let place = ground.institution.as_ref().map_or_else(
        || t.t("ground-everywhere"),
        |code| places.get(code.as_str()).cloned().unwrap_or_else(|| code.to_string()),
    );
    let share = match &ground.share {
        Share::Whole => t.t("ground-whole"),
        Share::Part { kinds, .. } => {
            let kinds: Vec<String> = kinds.iter().map(|kind| t.t(&format!("kind-{}", kind.name()))).collect();
            t.t1("ground-part", "kinds", kinds.join(", "))
        }
    };
    let said = |key, (name, value): (&str, &str)| t.tn(key, &[(name, value), ("place", &place), ("share", &share)]);
    match whose {
        Whose::Typed(None) if ground.confirmed.is_none() => {
            said("ground-about-asked", ("date", &t.moment(ground.asked)))
        }
        Whose::Typed(Some(typed)) if ground.confirmed.is_none() => {
            said("ground-about-typed", ("number", &format!("{}/{}", typed.institution, typed.number.expose())))
        }
        _ => said("ground-about", ("number", &short(ground.subject))),
    }
}

/// Which page of a list of grounds is shown.
pub(crate) struct Turn {
    number: usize,
    /// What the store is asked for.
    pub page: GroundPage,
}

impl Turn {
    /// The page of a number, or the first where nobody has come to that from the one before.
    pub fn to(pages: &[GroundCursor], number: usize) -> Self {
        let after = places::beginning(pages, number);
        let number = if after.is_some() { number } else { 1 };
        Self { number, page: GroundPage { limit: GROUNDS, after } }
    }

    /// Remembers where the page after this begins.
    pub fn remember(&self, pages: &mut Vec<GroundCursor>, next: Option<GroundCursor>) {
        places::remember(pages, self.number, next);
    }

    /// The addresses of the pages before and after this.
    pub fn around(&self, path: &str, next: Option<GroundCursor>) -> (Option<String>, Option<String>) {
        let to = |number: usize| format!("{path}?page={number}");
        ((self.number > 1).then(|| to(self.number - 1)), next.map(|_| to(self.number + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Locale;
    use base::{Id16, Redacted, Timestamp};
    use policy::{DataKind, GroundKind, Role};

    #[test]
    fn two_grounds_of_one_kind_are_told_apart() {
        let ground = |subject: u8, institution: Option<&str>, share: Share| GroundEntry {
            id: Id16::default(),
            kind: GroundKind::Visit,
            subject: Id16([subject; 16]),
            account: Id16::default(),
            role: Role::Clinician,
            institution: institution.and_then(InstitutionCode::new),
            share,
            reason: Redacted::new("외래 진료".to_owned()),
            asked: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
            confirmed: None,
            closed: None,
        };
        let places = PlaceNames::from([("31100001".to_owned(), "한빛의원".to_owned())]);
        let line = |ground: &GroundEntry, whose| GroundLine::new(Locale::Korean.texts(), ground, &places, &whose).about;
        let said = |ground: &GroundEntry| line(ground, Whose::Known);
        let drugs = Share::Part { kinds: [DataKind::Medications].into(), sensitive: BTreeSet::new() };
        assert_eq!(said(&ground(1, Some("31100001"), Share::Whole)), "환자 01010101 · 한빛의원 · 기록 전체");
        assert_eq!(said(&ground(2, Some("31100001"), drugs)), "환자 02020202 · 한빛의원 · 약과 예방접종만");
        assert_eq!(said(&ground(2, Some("99900009"), Share::Whole)), "환자 02020202 · 99900009 · 기록 전체");
        assert_eq!(said(&ground(2, None, Share::Whole)), "환자 02020202 · 모든 병원 · 기록 전체");
        let waiting = ground(2, Some("31100001"), Share::Whole);
        let code = InstitutionCode::new("31100002").expect("a code");
        let typed = NamedPatient::new(code, "10000001");
        let shown = line(&waiting, Whose::Typed(Some(&typed)));
        assert_eq!(shown, "환자 번호 31100002/10000001 · 한빛의원 · 기록 전체");
        let shown = line(&waiting, Whose::Typed(None));
        assert!(shown.ends_with("신청 · 한빛의원 · 기록 전체") && !shown.contains("0202"), "{shown}");
        let open = GroundEntry { confirmed: Some(Timestamp::UNIX_EPOCH), ..waiting };
        assert_eq!(line(&open, Whose::Typed(Some(&typed))), "환자 02020202 · 한빛의원 · 기록 전체");
    }

    #[test]
    fn pages_lead_to_those_beside_them() {
        let turn = Turn::to(&[], 3);
        assert_eq!((turn.number, turn.page.after, turn.page.limit), (1, None, GROUNDS), "nobody has come there");
        assert_eq!(turn.around("/staff/grounds", None), (None, None));
        let second = Turn { number: 2, page: GroundPage::default() };
        assert_eq!(second.around("/staff/grounds", None), (Some("/staff/grounds?page=1".to_owned()), None));
    }
}
