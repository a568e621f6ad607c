//! Days, moments and sizes as people write them, in Korean time. The words themselves are in `locales/`.

use crate::texts::{Locale, Texts};
use base::Timestamp;
use jiff::Zoned;
use jiff::civil::Date;

impl Texts {
    /// A day: 2024년 3월 31일, 31 March 2024.
    pub(crate) fn day(&self, date: Date) -> String {
        let month = self.t(&format!("month-{}", date.month()));
        let (year, day) = (date.year().to_string(), date.day().to_string());
        self.tn("day", &[("year", &year), ("month", &month), ("day", &day)])
    }

    /// A day with its weekday: 2026년 11월 22일(일), Sunday 22 November 2026.
    pub(crate) fn weekday(&self, date: Date) -> String {
        let weekday = self.t(&format!("weekday-{}", date.weekday().to_monday_one_offset()));
        self.tn("day-of-week", &[("day", &self.day(date)), ("weekday", &weekday)])
    }

    /// A moment of a day: 오후 6시 32분, 18:32.
    pub(crate) fn time(&self, moment: Timestamp) -> String {
        let here = in_korea(moment);
        let half = if here.hour() < 12 { "time-am" } else { "time-pm" };
        // Koreans say the half of the day and count to twelve; elsewhere people write twenty-four hours.
        let (hour, minute) = match self.locale {
            Locale::Korean => (((here.hour() + 11) % 12 + 1).to_string(), here.minute().to_string()),
            Locale::English => (format!("{:02}", here.hour()), format!("{:02}", here.minute())),
        };
        self.tn(half, &[("hour", &hour), ("minute", &minute)])
    }

    /// A moment with its weekday: 2026년 11월 22일(일) 오후 6시 32분, Sunday 22 November 2026, 18:32.
    pub fn moment(&self, moment: Timestamp) -> String {
        let day = self.weekday(in_korea(moment).date());
        self.tn("moment", &[("day", &day), ("time", &self.time(moment))])
    }
}

/// The day of a moment in Korea.
pub(crate) fn day_of(moment: Timestamp) -> Date {
    in_korea(moment).date()
}

fn in_korea(moment: Timestamp) -> Zoned {
    moment.to_zoned(base::KOREA)
}

/// A day as a form sends it, `2024-03-31`; an empty text is none.
pub(crate) fn day_of_form(text: &str) -> Result<Option<Date>, NotADay> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let date: Date = (text.len() == 10).then(|| text.parse().ok()).flatten().ok_or(NotADay)?;
    if (1900..=2200).contains(&date.year()) { Ok(Some(date)) } else { Err(NotADay) }
}

/// The text is no day such as 2024-03-31.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotADay;

/// A text as a part of an address (RFC 3986 section 2.1): all but unreserved characters are escaped.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&base::hex(&[byte]).to_ascii_uppercase());
        }
    }
    out
}

/// Whether a text is a path of this site to which one may be sent: `/` and no host, no backslash, nothing invisible.
pub(crate) fn is_path_here(text: &str) -> bool {
    text.len() <= 512
        && text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_are_written_as_people_write_them() {
        let day = date(2024, 3, 31);
        assert_eq!(Locale::Korean.texts().day(day), "2024년 3월 31일");
        assert_eq!(Locale::English.texts().day(day), "31 March 2024");
    }

    #[test]
    fn moments_are_in_korean_time() {
        for (moment, korean, english) in [
            ("2026-11-22T09:32:07Z", "2026년 11월 22일(일) 오후 6시 32분", "Sunday 22 November 2026, 18:32"),
            ("2026-11-22T15:05:00Z", "2026년 11월 23일(월) 오전 12시 5분", "Monday 23 November 2026, 00:05"),
            ("2026-11-22T03:00:00Z", "2026년 11월 22일(일) 오후 12시 0분", "Sunday 22 November 2026, 12:00"),
        ] {
            let moment: Timestamp = moment.parse().expect("a moment");
            assert_eq!(Locale::Korean.texts().moment(moment), korean);
            assert_eq!(Locale::English.texts().moment(moment), english);
        }
    }

    #[test]
    fn forms_send_days_or_nothing() {
        assert_eq!(day_of_form(""), Ok(None));
        assert_eq!(day_of_form(" 2024-02-29 "), Ok(Some(date(2024, 2, 29))));
        for faulty in ["2023-02-29", "20240229", "2024-2-29", "어제", "0000-01-01", "9999-01-01", "2024-02-29T00:00"]
        {
            assert_eq!(day_of_form(faulty), Err(NotADay), "{faulty}");
        }
    }

    #[test]
    fn only_paths_of_this_site_are_gone_to() {
        for good in ["/", "/records", "/records/visit/0123", "/institutions?name=%E3%85%85"] {
            assert!(is_path_here(good), "{good}");
        }
        for bad in ["", "records", "//elsewhere", "/\\elsewhere", "https://elsewhere", "/a b", "/a\r\nx: y", "/병원"]
        {
            assert!(!is_path_here(bad), "{bad}");
        }
        assert!(!is_path_here(&format!("/{}", "a".repeat(600))));
    }

    #[test]
    fn escaped_texts_are_plain() {
        assert_eq!(escaped("/a?b=ㅅ&c"), "%2Fa%3Fb%3D%E3%85%85%26c");
    }
}
