//! Texts inside a resource that have a form of their own: dates, times, references, and JSON that is scanned and not parsed.

#![no_main]

use fhir::Target;
use fhir::date::{DateTime, Time};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(moment) = DateTime::parse(text) {
        let interval = moment.interval(540);
        assert!(interval.low_us <= interval.high_us, "an interval has a direction");
        let _ = (moment.in_utc(), moment.plus_months(-7), moment.plus_months(1_000_000), moment.plus_us(-1));
    }
    let _ = (DateTime::is_date(text), DateTime::is_date_time(text), DateTime::is_instant(text), Time::parse(text));
    if let Target::Relative { kind, id, .. } = Target::parse(text) {
        assert!(text.starts_with(&format!("{kind}/{id}")) && fhir::reference::is_id(id), "type and id are of the text");
    }
    fhir::reference::each_text(text, &mut |_| {});
});
