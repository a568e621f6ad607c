//! A fixture and a near miss for each rule, as tables: what differs between the two is all that the rule looks at.

use base::{Id16, Timestamp};
use jiff::SignedDuration;
use policy::{Editions, InstitutionCode};
use store::{AccessActor, AccessEntry, AccessResult, StatedReason};
use watch::{Device, Facts, Finding, Gap, Hours, Overdue, Params, Reason, Rule, Rules, Severity, Shifts, reason_of};

/// 2026-11-25, a Wednesday, ten in the morning in Seoul.
const MORNING: &str = "2026-11-25T10:00:00+09:00";

/// One access and what is known about it.
#[derive(Clone)]
struct Case {
    entry: AccessEntry,
    facts: Facts,
}

impl Case {
    /// A doctor who reads a patient's record at work, for a visit.
    fn ordinary() -> Self {
        let entry = AccessEntry {
            id: Id16::derived(&["entry", "0"]),
            decision: Id16::derived(&["decision", "0"]),
            time: MORNING.parse().expect("a time"),
            subject: Id16::derived(&["patient", "0"]),
            actor: AccessActor {
                account: Id16::derived(&["doctor"]),
                role: "clinician".to_owned(),
                assurance: 2,
                name: "이서준".to_owned().into(),
                source: "192.0.2.7".to_owned().into(),
            },
            action: "read-record".to_owned(),
            purpose: "care".to_owned(),
            ground: Some(Id16::derived(&["visit", "0"])),
            explanation: "clinician-visit".to_owned(),
            result: AccessResult::Granted,
            institution: InstitutionCode::new("31100001"),
            what: vec![("Observation".to_owned(), 3)],
        };
        let facts = Facts {
            works_at: InstitutionCode::new("31100001"),
            hours: vec![day_shift(18)],
            device: Device::Known,
            reason: Reason::Given,
            ..Facts::default()
        };
        Self { entry, facts }
    }

    fn entry(mut self, change: impl FnOnce(&mut AccessEntry)) -> Self {
        change(&mut self.entry);
        self.facts.reason = reason_of(Params::at(self.entry.time), &self.entry);
        self
    }

    fn facts(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(&mut self.facts);
        self
    }

    fn denied(self, reason: &str) -> Self {
        self.entry(|entry| entry.result = AccessResult::Denied { reason: reason.to_owned() })
    }

    /// The n-th of several accesses, so many milliseconds after the first, at the n-th person.
    fn nth(&self, n: u64, after_ms: i64, person: u64) -> Self {
        let number = n.to_string();
        let mut other = self.clone();
        other.entry.id = Id16::derived(&["entry", &number]);
        other.entry.decision = Id16::derived(&["decision", &number]);
        other.entry.subject = Id16::derived(&["patient", &person.to_string()]);
        let later = SignedDuration::from_millis(after_ms);
        other.entry.time = other.entry.time.checked_add(later).expect("a time");
        other
    }
}

/// From nine until an hour of the evening, on every day.
fn day_shift(to: i32) -> Shifts {
    let hours = Hours { from_minute: 9 * 60, to_minute: to * 60 };
    Shifts { yesterday: Some(hours), today: hours, tomorrow: Some(hours) }
}

/// Two patients of two institutions are one person.
fn known_twice(case: Case) -> Case {
    let number: u64 = u64::from(case.entry.id.0[0] % 7);
    case.facts(|facts| facts.person = Some(Id16::derived(&["person", &number.to_string()])))
}

/// What somebody said, about so many people.
fn stated(text: &str, people: u64) -> Option<StatedReason> {
    Some(StatedReason { text: text.to_owned().into(), people })
}

/// What the rules find in some accesses.
fn found(cases: &[Case]) -> Vec<Finding> {
    let mut rules = Rules::new(Params::editions());
    cases.iter().flat_map(|case| rules.observe(&case.entry, &case.facts)).collect()
}

fn rules_of(cases: &[Case]) -> Vec<Rule> {
    found(cases).iter().map(|finding| finding.rule).collect()
}

fn days_before(days: i64) -> Option<Timestamp> {
    let morning: Timestamp = MORNING.parse().expect("a time");
    Some(morning.checked_sub(SignedDuration::from_hours(24 * days)).expect("a time"))
}

/// So many accesses, each so many milliseconds after the one before, each at another person or all at one.
fn many(case: &Case, count: u64, apart_ms: i64, other_people: bool) -> Vec<Case> {
    let nth = |n| case.nth(n, apart_ms * n as i64, if other_people { n } else { 0 });
    (0..count).map(nth).collect()
}

/// A rule, a fixture that it fires on, alone, and near misses that every rule is silent on.
type Single = (Rule, Case, Vec<Case>);

fn single() -> Vec<Single> {
    let of_people = [about_reasons(), about_wording(), about_subjects(), about_decoys()].concat();
    [of_people, about_hours(), about_accounts(), about_floods()].concat()
}

fn patient() -> Case {
    Case::ordinary().entry(|entry| {
        entry.actor.role = "patient".to_owned();
        entry.purpose = "own-records".to_owned();
        entry.explanation = "patient-own-records".to_owned();
    })
}

fn about_reasons() -> Vec<Single> {
    let ordinary = Case::ordinary;
    let support_issues = |purpose: &'static str| {
        ordinary().entry(|entry| {
            entry.actor.role = "support".to_owned();
            entry.action = "issue".to_owned();
            entry.purpose = purpose.to_owned();
            entry.what = vec![("Patient".to_owned(), 1)];
        })
    };
    let unexplained = ordinary().entry(|entry| entry.explanation = " ".to_owned());
    let no_purpose = ordinary().entry(|entry| entry.purpose.clear());
    let groundless = ordinary().entry(|entry| entry.ground = None);
    let curious = ordinary().entry(|entry| entry.purpose = "curiosity".to_owned());
    let emergency = ordinary().entry(|entry| entry.purpose = "emergency".to_owned());
    let broken = emergency.clone().entry(|entry| entry.action = "break-glass".to_owned());
    vec![
        (Rule::NoExplanation, unexplained, vec![ordinary(), patient(), no_purpose.denied("purpose")]),
        (Rule::NoExplanation, curious, vec![emergency.clone()]),
        (Rule::NoExplanation, groundless, vec![patient().entry(|entry| entry.ground = None)]),
        (Rule::NoExplanation, emergency.entry(|entry| entry.ground = None), vec![ordinary()]),
        (Rule::ExportWithoutReason, support_issues("operation"), vec![support_issues("application")]),
        (
            Rule::ExportWithoutReason,
            support_issues("emergency"),
            vec![patient().entry(|entry| entry.action = "issue".to_owned())],
        ),
        (Rule::BreakGlass, broken.clone(), vec![broken.denied("role")]),
    ]
}

fn about_wording() -> Vec<Single> {
    let said = |text, people| Case::ordinary().facts(|facts| facts.stated = stated(text, people));
    let issued = |text, people| {
        let case = Case::ordinary().entry(|entry| {
            entry.actor.role = "support".to_owned();
            entry.action = "issue".to_owned();
            entry.purpose = "application".to_owned();
        });
        case.facts(|facts| facts.stated = stated(text, people))
    };
    vec![
        (Rule::NoExplanation, said("확인", 1), vec![said("복통으로 오심", 1), said("확인", 1).denied("ground")]),
        (Rule::NoExplanation, said("ㅁㄴㅇㄹ", 1), vec![said("외래 진료", 1)]),
        (Rule::NoExplanation, said("복통으로 오심", 300), vec![said("외래 진료", 299)]),
        (Rule::ExportWithoutReason, issued("test", 1), vec![issued("사본 발급 신청", 1)]),
        (Rule::ExportWithoutReason, issued("사본 발급 신청", 300), vec![issued("사본 발급 신청", 299)]),
    ]
}

fn about_subjects() -> Vec<Single> {
    let with = |change: fn(&mut Facts)| Case::ordinary().facts(change);
    let own = |change: fn(&mut Facts)| patient().facts(change);
    vec![
        (Rule::Household, with(|facts| facts.is_household = true), vec![own(|facts| facts.is_household = true)]),
        (
            Rule::Own,
            with(|facts| (facts.is_own, facts.is_household, facts.is_colleague) = (true, true, true)),
            vec![own(|facts| facts.is_own = true)],
        ),
        (
            Rule::Colleague,
            with(|facts| facts.is_colleague = true),
            vec![with(|facts| facts.is_colleague = true).denied("ground")],
        ),
        (Rule::Vip, with(|facts| facts.is_vip = true), vec![own(|facts| (facts.is_vip, facts.is_own) = (true, true))]),
        (
            Rule::Deceased,
            with(|facts| facts.deceased = days_before(92)),
            vec![
                with(|facts| facts.deceased = days_before(90)),
                on_duty("handle-erasures", "steward", "erasure").facts(|facts| facts.deceased = days_before(92)),
            ],
        ),
    ]
}

/// Staff whose work it is, and who see no record in it.
fn on_duty(action: &str, role: &str, kind: &str) -> Case {
    Case::ordinary().entry(|entry| {
        (entry.action, entry.actor.role) = (action.to_owned(), role.to_owned());
        entry.purpose = "operation".to_owned();
        entry.what = vec![(kind.to_owned(), 1)];
    })
}

fn about_decoys() -> Vec<Single> {
    let handed_in = Case::ordinary().entry(|entry| {
        entry.actor.role = "depositor".to_owned();
        entry.action = "deposit".to_owned();
        entry.purpose = "custody".to_owned();
    });
    let decoy = |case: Case| case.facts(|facts| facts.is_decoy = true);
    let refused = patient().denied("not-yours");
    // Looking into the case of a decoy is no case.
    let seen_to = Case::ordinary().entry(|entry| {
        entry.actor.role = "auditor".to_owned();
        entry.action = "see-cases".to_owned();
        entry.purpose = "oversight".to_owned();
    });
    vec![
        (Rule::Decoy, decoy(Case::ordinary()), vec![decoy(handed_in), decoy(seen_to)]),
        (Rule::Decoy, decoy(refused.clone()), vec![refused]),
    ]
}

fn about_hours() -> Vec<Single> {
    let at = |time: &str| {
        let time = time.parse().expect("a time");
        Case::ordinary().entry(|entry| entry.time = time)
    };
    let late = at("2026-11-25T22:10:00+09:00");
    let at_night = at("2026-11-25T03:00:00+09:00").entry(|entry| entry.actor.role = "patient".to_owned());
    vec![(
        Rule::OffHours,
        late.clone(),
        vec![
            at("2026-11-25T18:29:00+09:00"),
            late.clone().facts(|facts| facts.hours = Vec::new()),
            late.clone().facts(|facts| facts.hours.push(day_shift(22))),
            late.entry(|entry| entry.purpose = "emergency".to_owned()),
            at_night,
        ],
    )]
}

fn about_accounts() -> Vec<Single> {
    let ordinary = Case::ordinary;
    let pharmacist = |kinds: &'static [&'static str]| {
        ordinary().entry(|entry| {
            entry.actor.role = "pharmacist".to_owned();
            entry.purpose = "dispensing".to_owned();
            entry.what = kinds.iter().map(|kind| ((*kind).to_owned(), 1)).collect();
        })
    };
    let new_device = |case: Case| case.facts(|facts| facts.device = Device::New);
    let last_used = |case: Case, days: i64| case.facts(|facts| facts.last_used = days_before(days));
    let revoked = |case: Case, days: i64| case.facts(|facts| facts.revoked = days_before(days));
    let seconds_after = |case: Case, seconds: i64| {
        let time = case.entry.time.checked_sub(SignedDuration::from_secs(seconds)).expect("a time");
        case.facts(|facts| facts.revoked = Some(time))
    };
    vec![
        (
            Rule::RoleMismatch,
            pharmacist(&["MedicationRequest", "Observation"]),
            vec![
                ordinary(),
                pharmacist(&["MedicationRequest"]),
                on_duty("handle-erasures", "security-officer", "erasure-approved"),
                on_duty("decide-recovery", "operator", "recovery"),
                on_duty("approve-recovery", "administrator", "recovery"),
                on_duty("reset-factors", "administrator", "recovery"),
            ],
        ),
        (
            Rule::NewDevice,
            new_device(ordinary()),
            vec![ordinary().facts(|facts| facts.device = Device::Unknown), new_device(patient())],
        ),
        (
            Rule::NewDevice,
            ordinary().facts(|facts| facts.device = Device::SignedIn),
            vec![patient().facts(|facts| facts.device = Device::SignedIn)],
        ),
        (
            Rule::DormantAccount,
            last_used(ordinary(), 90),
            vec![last_used(ordinary(), 89), ordinary(), last_used(patient(), 900)],
        ),
        (
            Rule::AfterRevocation,
            seconds_after(ordinary(), 5),
            // A reading that was let in before ends with its entry.
            vec![seconds_after(ordinary(), 4), revoked(ordinary(), -1)],
        ),
        (Rule::AfterRevocation, seconds_after(ordinary().denied("role"), 0), vec![ordinary().denied("ground")]),
        (Rule::AfterRevocation, revoked(ordinary().denied("role"), 3), vec![ordinary().denied("role")]),
    ]
}

/// Strangers whose attempts were counted and not journalled one by one.
fn about_floods() -> Vec<Single> {
    let counted = |attempts: u32| {
        patient().denied("assurance").entry(|entry| {
            entry.actor.assurance = 0;
            entry.subject = entry.actor.account;
            (entry.action, entry.purpose) = ("turn-away".to_owned(), "operation".to_owned());
            entry.what = vec![("attempt".to_owned(), attempts)];
        })
    };
    vec![(Rule::Enumeration, counted(500), vec![counted(499)])]
}

#[test]
fn a_flood_is_for_the_review_and_one_case_as_long_as_it_goes_on() {
    let (_, flood, _) = about_floods().remove(0);
    let findings = found(&[flood.clone(), flood.nth(1, 60_000, 0)]);
    let told: Vec<_> = findings.iter().map(|one| (one.severity, one.amount, one.message.key.as_str())).collect();
    assert_eq!(told, [(Severity::Low, 500, "watch-finding-enumeration-flood"); 2]);
    assert_eq!(findings[0].topic(), findings[1].topic());
}

#[test]
fn each_rule_fires_on_its_fixture_alone_and_is_silent_on_its_near_miss() {
    for (rule, fixture, misses) in single() {
        assert_eq!(rules_of(&[fixture]), [rule], "{} must fire, and nothing else", rule.name());
        for (number, miss) in misses.into_iter().enumerate() {
            assert_eq!(rules_of(&[miss]), [], "near miss {number} of {}", rule.name());
        }
    }
}

/// Each rule that counts: accesses that are too much, and as many that come near.
fn counted() -> Vec<(Rule, Vec<Case>, Vec<Vec<Case>>)> {
    let chart = Case::ordinary().entry(|entry| entry.what = vec![("Observation".to_owned(), 400)]);
    let guess = Case::ordinary().denied("not-yours");
    let stranger = guess.clone().entry(|entry| {
        entry.actor.role = "patient".to_owned();
        entry.actor.assurance = 0;
    });
    let from_address =
        |n: u64, address: String| stranger.nth(n, 0, n).entry(|entry| entry.actor.source = address.into());
    let from_everywhere = |n: u64| from_address(n, format!("192.0.2.{n}"));
    vec![
        (
            Rule::Bulk,
            many(&chart, 5, 60_000, false),
            vec![many(&chart, 4, 60_000, false), many(&chart, 9, 150_000, false)],
        ),
        (
            Rule::Velocity,
            many(&Case::ordinary(), 15, 3_000, true),
            vec![
                many(&Case::ordinary(), 14, 3_000, true),
                many(&Case::ordinary(), 60, 4_300, true),
                many(&Case::ordinary(), 60, 1_000, false),
                many(&Case::ordinary(), 20, 3_000, true).into_iter().map(known_twice).collect(),
            ],
        ),
        (
            Rule::Enumeration,
            many(&guess, 5, 20_000, true),
            vec![
                many(&guess, 4, 20_000, true),
                many(&guess, 20, 1_000, false),
                many(&Case::ordinary().denied("assurance"), 9, 1_000, true),
            ],
        ),
        (Rule::Enumeration, many(&stranger, 5, 20_000, true), vec![(0..9).map(from_everywhere).collect()]),
        (
            Rule::Enumeration,
            (0..5).map(|n| from_address(n, format!("2001:db8:1:2:{n}::{n}"))).collect(),
            vec![(0..9).map(|n| from_address(n, format!("2001:db8:1:{n}::1"))).collect()],
        ),
    ]
}

#[test]
fn rules_that_count_fire_once_at_their_threshold_and_not_below_it() {
    for (rule, cases, misses) in counted() {
        let findings = found(&cases);
        assert_eq!(findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), [rule]);
        assert_eq!(findings[0].entry, cases.last().expect("some").entry.id, "at the entry that made it too much");
        assert_eq!(findings[0].others.len(), cases.len());
        for (number, miss) in misses.into_iter().enumerate() {
            assert_eq!(rules_of(&miss), [], "near miss {number} of {}", rule.name());
        }
    }
}

#[test]
fn what_goes_on_is_told_once_in_its_window() {
    let chart = Case::ordinary().entry(|entry| entry.what = vec![("Observation".to_owned(), 2_000)]);
    assert_eq!(rules_of(&many(&chart, 20, 60_000, false)), [Rule::Bulk, Rule::Bulk]);
}

#[test]
fn many_people_in_a_day_are_found_though_few_are_in_a_minute() {
    let representative = Case::ordinary().entry(|entry| {
        entry.actor.role = "representative".to_owned();
        entry.purpose = "representation".to_owned();
    });
    for case in [Case::ordinary(), representative] {
        let findings = found(&many(&case, 450, 4_300, true));
        assert_eq!(findings.iter().map(|one| one.rule).collect::<Vec<_>>(), [Rule::Velocity], "once in the day");
        assert_eq!(findings[0].message.key, "watch-finding-velocity-day");
        assert_eq!((findings[0].amount, findings[0].others.len()), (300, 50));
        assert_eq!(rules_of(&many(&case, 299, 4_300, true)), [], "a busy day");
        assert_eq!(rules_of(&many(&case, 2_000, 10_000, false)), [], "one person all day");
    }
    let own = patient().facts(|facts| facts.is_own = true);
    assert_eq!(rules_of(&many(&own, 450, 4_300, true)), [], "what is one's own is not counted");
}

#[test]
fn what_was_counted_within_a_day_is_known_after_the_minutes_are_counted_anew() {
    let mut rules = Rules::new(Params::editions());
    let cases = many(&Case::ordinary(), 300, 4_300, true);
    let mut findings = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        if number % 100 == 50 {
            rules.count_anew();
            // They are told of once more, as at a start.
            let again = &cases[number - 20..number];
            findings.extend(again.iter().flat_map(|case| rules.observe(&case.entry, &case.facts)));
        }
        findings.extend(rules.observe(&case.entry, &case.facts));
    }
    assert_eq!(findings.iter().map(|one| (one.rule, one.amount)).collect::<Vec<_>>(), [(Rule::Velocity, 300)]);
}

#[test]
fn a_reason_that_explains_nothing_is_found_once_however_much_is_looked_at_for_it() {
    let case = Case::ordinary().facts(|facts| facts.stated = stated("확인", 1));
    let findings = found(&many(&case, 3, 1_000, false));
    let ids: Vec<_> = findings.iter().map(|one| one.entry).collect();
    assert_eq!(ids, [case.entry.ground.expect("a visit"); 3], "one id for all: the tables keep it once");
    let reused = Case::ordinary().facts(|facts| facts.stated = stated("복통으로 오심", 300));
    let topic = |case: Case| found(&[case])[0].topic();
    assert_eq!(topic(reused.clone()), topic(reused.nth(1, 0, 1)), "one case of whoever says it of everybody");
}

#[test]
fn two_accounts_are_counted_apart() {
    let mut cases = many(&Case::ordinary().denied("not-yours"), 8, 1_000, true);
    for case in cases.iter_mut().step_by(2) {
        case.entry.actor.account = Id16::derived(&["another"]);
    }
    assert_eq!(rules_of(&cases), []);
}

#[test]
fn a_look_in_an_emergency_is_told_once_its_review_is_late() {
    let rules = Rules::new(Params::editions());
    let now: Timestamp = MORNING.parse().expect("a time");
    let due = days_before(3).expect("a time");
    let case = Case::ordinary();
    let overdue =
        Overdue { entry: case.entry.id, actor: case.entry.actor.account, subject: case.entry.subject, time: due };
    let findings = rules.overdue(std::slice::from_ref(&overdue), now);
    assert_eq!(findings[0].message.values, [("hours", "72".to_owned())]);
    assert_eq!(
        findings.iter().map(|one| (one.rule, one.entry)).collect::<Vec<_>>(),
        [(Rule::BreakGlassUnreviewed, overdue.entry)]
    );
    // A review in time is none that is late: `deposits` makes one.
    let emergency = case.entry(|entry| entry.purpose = "emergency".to_owned());
    assert_eq!(rules_of(&[emergency]), [], "the look itself is told to a second person, not here");
}

/// The compiled-in parameters with a second edition, by which far more is too much from 2026-11-25 on.
fn with_a_second_edition() -> &'static Editions<Params> {
    let first = include_str!("../../../../policies/watch.toml");
    let within = |line: &str| {
        let line = match line.split_once('[') {
            Some(("", rest)) if rest.starts_with('[') => line.replacen("[[", "[[edition.", 1),
            Some(("", _)) => line.replacen('[', "[edition.", 1),
            _ if line.starts_with("version =") => "version = \"second\"".to_owned(),
            _ if line.starts_with("valid_from =") => "valid_from = \"2026-11-25\"".to_owned(),
            _ => line.to_owned(),
        };
        line + "\n"
    };
    let second: String = first.lines().map(within).collect();
    let second = second.replace("records = 2000\n", "records = 2000000\n");
    let both = Params::parse(&format!("{first}\n[[edition]]\n{second}")).expect("valid");
    Box::leak(Box::new(both))
}

#[test]
fn an_access_is_judged_by_the_edition_in_force_at_its_moment() {
    let chart = |moment: &str| {
        Case::ordinary().entry(|entry| {
            entry.what = vec![("Observation".to_owned(), 2_000)];
            entry.time = moment.parse().expect("a time");
        })
    };
    let (before, after) = (chart("2026-11-24T14:59:59Z"), chart("2026-11-24T15:00:00Z"));
    let mut rules = Rules::new(with_a_second_edition());
    let mut found = |case: &Case| {
        let mut findings = rules.observe(&case.entry, &case.facts);
        findings.retain(|finding| finding.rule == Rule::Bulk);
        findings.len()
    };
    assert_eq!((found(&after), found(&before)), (0, 1), "midnight in Korea, however late an entry is read");
}

#[test]
fn the_same_gap_is_the_same_finding_and_another_is_another() {
    let rules = Rules::new(Params::editions());
    let now: Timestamp = MORNING.parse().expect("a time");
    let gaps = [
        Gap::Entries { from: 7, to: 9 },
        Gap::Entries { from: 7, to: 8 },
        Gap::NotInLog { from: 7, to: 9 },
        Gap::Leaves { from: 7, to: 9 },
        Gap::Unreadable { number: 7 },
        Gap::NoKey { key: "00000000000000000000000000000007".to_owned(), after: 7 },
        Gap::NoKey { key: "00000000000000000000000000000007".to_owned(), after: 8 },
        Gap::Journal { file: "000-a.jrn.torn".to_owned() },
    ];
    let mut ids: Vec<Id16> = gaps.iter().map(|gap| rules.gap(gap, now).entry).collect();
    assert_eq!(rules.gap(&gaps[0], now.checked_add(SignedDuration::from_hours(1)).expect("a time")).entry, ids[0]);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), gaps.len());
    assert!(gaps.iter().all(|gap| rules.gap(gap, now).rule == Rule::LogGap));
    let mut topics: Vec<Id16> = gaps.iter().map(|gap| rules.gap(gap, now).topic()).collect();
    topics.sort_unstable();
    topics.dedup();
    assert_eq!(topics.len(), 2, "holes are one case, and what stops the watch another");
}

#[test]
fn numbers_that_follow_each_other_have_no_gap_between_them() {
    assert_eq!(Gap::between(6, 7), None);
    assert_eq!(Gap::between(0, 1), None, "the first of all");
    assert_eq!(Gap::between(6, 8), Some(Gap::Entries { from: 7, to: 7 }));
    assert_eq!(Gap::between(0, 4), Some(Gap::Entries { from: 1, to: 3 }), "the first ones are gone");
}

#[test]
fn no_rule_is_without_its_test() {
    let mut tested: Vec<Rule> =
        single().iter().map(|(rule, ..)| *rule).chain(counted().iter().map(|(rule, ..)| *rule)).collect();
    tested.extend([Rule::BreakGlassUnreviewed, Rule::LogGap]);
    for rule in Rule::ALL {
        assert!(tested.contains(rule), "{}", rule.name());
    }
}

#[test]
fn nothing_in_a_finding_is_a_name_or_where_somebody_was() {
    for (rule, fixture, _) in single() {
        for finding in found(&[fixture]) {
            let text = format!("{finding:?}");
            assert!(!text.contains("이서준") && !text.contains("192.0.2"), "{}", rule.name());
        }
    }
}
