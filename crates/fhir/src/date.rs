//! FHIR dates and times: partial precision, optional zone, and the interval of instants that a partial date covers. Not a clock, and
//! not a calendar library: only what R4 section 2.24.0.1 and FHIRPath need.

use std::fmt;

/// How precise a date is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Precision {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Fraction,
}

/// A date or date with time, as written. Fields beyond the precision have their smallest value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    /// 1 to 9999.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to the length of the month.
    pub day: u8,
    /// The time of day.
    pub time: Time,
    /// The last part that was written.
    pub precision: Precision,
    /// Minutes east of UTC, when written.
    pub offset_minutes: Option<i16>,
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60 (leap second).
    pub second: u8,
    /// Fraction of the second, cut after six digits.
    pub micros: u32,
    /// Digits of the fraction as written.
    pub fraction_digits: u8,
}

/// The instants from `low_us` to `high_us`, both included, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    /// First microsecond.
    pub low_us: i64,
    /// Last microsecond.
    pub high_us: i64,
}

impl Interval {
    /// Stands for "no begin": the first microsecond of year 1.
    pub const BEGIN_US: i64 = -62_135_596_800_000_000;
    /// Stands for "no end": the last microsecond of year 9999.
    pub const END_US: i64 = 253_402_300_799_999_999;
}

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;

impl DateTime {
    /// Reads `2015`, `2015-02`, `2015-02-04`, and with a time of any precision `2015-02-04T14`, `…T14:34`, `…T14:34:28.123+09:00`.
    /// Days must exist. What each FHIR type allows of this is checked by its own function below.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut parsed = Self::parse_date(date.as_bytes())?;
        let Some(time) = time else { return Some(parsed) };
        if time.is_empty() {
            return Some(parsed);
        }
        if parsed.precision != Precision::Day {
            return None;
        }
        let (clock, offset) = split_zone(time)?;
        let (time, precision) = Time::parse(clock)?;
        parsed.time = time;
        parsed.precision = precision;
        parsed.offset_minutes = offset;
        Some(parsed)
    }

    fn parse_date(bytes: &[u8]) -> Option<Self> {
        let mut date =
            Self { year: 0, month: 1, day: 1, time: Time::default(), precision: Precision::Year, offset_minutes: None };
        date.year = i32::try_from(digits(bytes.get(..4)?)?).ok().filter(|year| *year > 0)?;
        match bytes.len() {
            4 => return Some(date),
            7 | 10 if bytes[4] == b'-' => date.month = digits(&bytes[5..7])?.try_into().ok()?,
            _ => return None,
        }
        date.precision = Precision::Month;
        if !(1..=12).contains(&date.month) {
            return None;
        }
        if bytes.len() == 10 {
            date.precision = Precision::Day;
            date.day = digits(&bytes[8..])?.try_into().ok()?;
            if bytes[7] != b'-' || date.day == 0 || date.day > days_in_month(date.year, date.month) {
                return None;
            }
        }
        Some(date)
    }

    /// Whether the text is a FHIR `date`: no time.
    pub fn is_date(text: &str) -> bool {
        text.len() <= 10 && Self::parse(text).is_some_and(|d| d.precision <= Precision::Day)
    }

    /// Whether the text is a FHIR `dateTime`: a date, or date, hours, minutes, seconds and zone together.
    pub fn is_date_time(text: &str) -> bool {
        let complete =
            |d: Self| d.precision <= Precision::Day || d.precision >= Precision::Second && d.offset_minutes.is_some();
        !text.ends_with('T') && Self::parse(text).is_some_and(complete)
    }

    /// Whether the text is a FHIR `instant`: everything down to seconds, and the zone.
    pub fn is_instant(text: &str) -> bool {
        Self::parse(text).is_some_and(|d| d.precision >= Precision::Second && d.offset_minutes.is_some())
    }

    /// The instants that this date covers; `zone_minutes` holds where none is written.
    pub fn interval(&self, zone_minutes: i16) -> Interval {
        let low_us = self.low_us(zone_minutes);
        let length = match self.precision {
            Precision::Year => days_in_year(self.year) * DAY_US,
            Precision::Month => i64::from(days_in_month(self.year, self.month)) * DAY_US,
            Precision::Day => DAY_US,
            Precision::Hour => 3_600 * SECOND_US,
            Precision::Minute => 60 * SECOND_US,
            Precision::Second => SECOND_US,
            Precision::Fraction => 10_i64.pow(6 - u32::from(self.time.fraction_digits.min(6))),
        };
        Interval { low_us, high_us: low_us + length - 1 }
    }

    /// The same instant written in UTC; unchanged without time or zone.
    pub fn in_utc(&self) -> Self {
        match self.offset_minutes {
            Some(offset) if self.precision > Precision::Day => {
                let moved = self.plus_us(i64::from(offset) * -60 * SECOND_US);
                Self { offset_minutes: Some(0), ..moved }
            }
            _ => *self,
        }
    }

    /// Moved by so many microseconds, zone and precision unchanged.
    pub fn plus_us(&self, micros: i64) -> Self {
        let total = day_number(self.year, self.month, self.day) * DAY_US + self.time.micros_of_day();
        let total = total.saturating_add(micros).clamp(Interval::BEGIN_US, Interval::END_US);
        let (year, month, day) = date_of_day(total.div_euclid(DAY_US));
        let in_day = total.rem_euclid(DAY_US);
        let seconds = in_day / SECOND_US;
        let part = |value: i64| u8::try_from(value).expect("parts of a day are small");
        let time = Time {
            hour: part(seconds / 3_600),
            minute: part(seconds / 60 % 60),
            second: part(seconds % 60),
            micros: u32::try_from(in_day % SECOND_US).expect("a remainder below one million"),
            ..self.time
        };
        Self { year, month, day, time, ..*self }
    }

    /// Moved by so many months; the day is cut to the length of the month. None beyond the years 1 to 9999.
    pub fn plus_months(&self, months: i64) -> Option<Self> {
        let total = i64::from(self.year) * 12 + i64::from(self.month) - 1;
        let total = total.checked_add(months)?;
        let year = i32::try_from(total.div_euclid(12)).ok().filter(|year| (1..=9999).contains(year))?;
        let month = u8::try_from(total.rem_euclid(12) + 1).ok()?;
        let day = self.day.min(days_in_month(year, month));
        Some(Self { year, month, day, ..*self })
    }

    /// The first instant of this date in microseconds since 1970 UTC.
    pub fn low_us(&self, zone_minutes: i16) -> i64 {
        let offset = i64::from(self.offset_minutes.unwrap_or(zone_minutes));
        day_number(self.year, self.month, self.day) * DAY_US + self.time.micros_of_day() - offset * 60 * SECOND_US
    }
}

impl Time {
    /// Reads `14`, `14:34`, `14:34:28` or `14:34:28.123`, without zone.
    pub fn parse(text: &str) -> Option<(Self, Precision)> {
        let bytes = text.as_bytes();
        let part = |at: usize, max: u32| -> Option<u8> {
            let value = digits(bytes.get(at..at + 2)?).filter(|v| *v <= max)?;
            value.try_into().ok()
        };
        let separated = |at: usize| bytes.get(at) == Some(&b':');
        let mut time = Self { hour: part(0, 23)?, ..Self::default() };
        if bytes.len() == 2 {
            return Some((time, Precision::Hour));
        }
        time.minute = part(3, 59).filter(|_| separated(2))?;
        if bytes.len() == 5 {
            return Some((time, Precision::Minute));
        }
        time.second = part(6, 60).filter(|_| separated(5))?;
        if bytes.len() == 8 {
            return Some((time, Precision::Second));
        }
        let fraction = &bytes[9..];
        if bytes[8] != b'.' || fraction.is_empty() || fraction.len() > 100 || !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let six = fraction.iter().chain([b'0'; 6].iter()).take(6);
        time.micros = six.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        time.fraction_digits = fraction.len().min(100) as u8;
        Some((time, Precision::Fraction))
    }

    /// Whether the text is a FHIR `time`: hours, minutes and seconds.
    pub fn is_time(text: &str) -> bool {
        Self::parse(text).is_some_and(|(_, precision)| precision >= Precision::Second)
    }

    /// Microseconds since midnight.
    pub fn micros_of_day(&self) -> i64 {
        let seconds = i64::from(self.hour) * 3_600 + i64::from(self.minute) * 60 + i64::from(self.second);
        seconds * SECOND_US + i64::from(self.micros)
    }
}

impl Time {
    /// Writes the time down to the precision: `14:34`.
    pub fn show(&self, precision: Precision, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:02}", self.hour)?;
        if precision >= Precision::Minute {
            write!(out, ":{:02}", self.minute)?;
        }
        if precision >= Precision::Second {
            write!(out, ":{:02}", self.second)?;
        }
        if precision >= Precision::Fraction {
            let digits = format!("{:06}", self.micros);
            write!(out, ".{}", &digits[..usize::from(self.fraction_digits.clamp(1, 6))])?;
        }
        Ok(())
    }
}

/// As FHIR writes it, down to the precision.
impl fmt::Display for DateTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04}", self.year)?;
        if self.precision >= Precision::Month {
            write!(out, "-{:02}", self.month)?;
        }
        if self.precision >= Precision::Day {
            write!(out, "-{:02}", self.day)?;
        }
        if self.precision >= Precision::Hour {
            out.write_str("T")?;
            self.time.show(self.precision, out)?;
            match self.offset_minutes {
                Some(0) => out.write_str("Z")?,
                Some(offset) => {
                    let sign = if offset < 0 { '-' } else { '+' };
                    write!(out, "{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)?;
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// Cuts `Z` or `+09:00` from the end of a time.
fn split_zone(text: &str) -> Option<(&str, Option<i16>)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, Some(0)));
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, None)) };
    let zone =
        text.as_bytes().get(at + 1..at + 6).filter(|_| text.len() == at + 6 && text.as_bytes()[at + 3] == b':')?;
    let (hours, minutes) = (digits(&zone[..2])?, digits(&zone[3..])?);
    if hours > 14 || minutes > 59 || hours == 14 && minutes > 0 {
        return None;
    }
    let offset = i16::try_from(hours * 60 + minutes).ok()?;
    Some((&text[..at], Some(if text.as_bytes()[at] == b'-' { -offset } else { offset })))
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

/// Whether February of that year has 29 days.
pub fn is_leap_year(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Length of a month, 1 to 12.
pub fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap_year(year) => 29,
        2 => 28,
        _ => 31,
    }
}

fn days_in_year(year: i32) -> i64 {
    if is_leap_year(year) { 366 } else { 365 }
}

/// Days since 1970-01-01 in the Gregorian calendar.
pub fn day_number(year: i32, month: u8, day: u8) -> i64 {
    // Years are counted from March, so that the leap day comes last.
    let (y, m) =
        if month > 2 { (i64::from(year), i64::from(month) - 3) } else { (i64::from(year) - 1, i64::from(month) + 9) };
    let leap_days = y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400);
    y * 365 + leap_days + (m * 153 + 2) / 5 + i64::from(day) - 1 - 719_468
}

/// The date of a day number.
pub fn date_of_day(day_number: i64) -> (i32, u8, u8) {
    // 146,097 days are 400 years; one more year, because the quotient may be one too small.
    let mut year =
        i32::try_from(1971 + (day_number * 400).div_euclid(146_097)).expect("callers stay within the years 1 to 9999");
    while self::day_number(year, 1, 1) > day_number {
        year -= 1;
    }
    let mut month = 12;
    while self::day_number(year, month, 1) > day_number {
        month -= 1;
    }
    let day = day_number - self::day_number(year, month, 1) + 1;
    (year, month, u8::try_from(day).expect("a month has at most 31 days"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_precision_and_refuses_the_rest() {
        let good = [
            "2015",
            "2015-02",
            "2015-02-04",
            "2016-02-29",
            "2015-02-04T14",
            "2015-02-04T14:34",
            "2015-02-04T14:34:28+09:00",
        ];
        assert!(good.iter().all(|text| DateTime::parse(text).is_some()));
        let bad = [
            "",
            "201",
            "0000",
            "2015-13",
            "2015-00",
            "2015-02-29",
            "2015-2-4",
            "2015-02-04 ",
            "2015T10",
            "2015-02-04T24:00:00Z",
            "2015-02-04T14:34:28.Z",
            "2015-02-04T14:34:28+0900",
            "2015-02-04T14:34:28+15:00",
            "20150204",
            "2015/02/04",
            "２０１５",
        ];
        assert_eq!(bad.iter().find(|text| DateTime::parse(text).is_some()), None);
        assert!(DateTime::is_date("2015-02") && !DateTime::is_date("2015-02-04T00:00:00Z"));
        assert!(DateTime::is_date_time("2015") && !DateTime::is_date_time("2015-02-04T14:34:28"));
        assert!(DateTime::is_instant("2015-02-07T13:28:17.239+02:00") && !DateTime::is_instant("2015-02-07"));
        assert!(Time::is_time("14:34:28.5") && !Time::is_time("14:34"));
    }

    #[test]
    fn intervals_follow_precision_and_zone() {
        let interval = |text: &str| DateTime::parse(text).expect("the date is valid").interval(540);
        let utc = interval("1970-01-01T00:00:00Z");
        assert_eq!(utc, Interval { low_us: 0, high_us: 999_999 });
        assert_eq!(interval("1970-01-01T09:00:00+09:00"), utc);
        assert_eq!(interval("1970-01-01").low_us, -9 * 3_600 * SECOND_US);
        assert_eq!(interval("2016").high_us - interval("2016").low_us + 1, 366 * DAY_US);
        assert_eq!(interval("2015-02").high_us - interval("2015-02").low_us + 1, 28 * DAY_US);
        assert_eq!(interval("1970-01-01T00:00:00.123Z"), Interval { low_us: 123_000, high_us: 123_999 });
        assert_eq!(interval("0001-01-01T00:00:00Z").low_us, Interval::BEGIN_US);
        assert_eq!(interval("9999-12-31T23:59:59Z").high_us, Interval::END_US);
    }

    #[test]
    fn day_numbers_and_dates_are_inverse() {
        for number in (-719_162..2_932_896).step_by(97) {
            let (year, month, day) = date_of_day(number);
            assert_eq!(day_number(year, month, day), number);
        }
        assert_eq!(day_number(2000, 3, 1), 11_017);
    }
}
