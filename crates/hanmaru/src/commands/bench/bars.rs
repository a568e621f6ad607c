//! How figures are printed: bars, and the lines about limits and peers before them.

use crate::Failure;
use std::path::Path;
use std::time::Instant;

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Exactly this.
    Exactly(f64),
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(goal) => value >= goal,
            Self::AtMost(goal) => value <= goal,
            Self::Exactly(goal) => value == goal,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(goal) => format!(">={goal}"),
            Self::AtMost(goal) => format!("<={goal}"),
            Self::Exactly(goal) => format!("={goal}"),
        }
    }
}

/// Prints the lines of one run.
pub struct Bars {
    begun: Instant,
    /// Counts that must be exact and are not.
    wrong: Vec<String>,
}

impl Bars {
    /// Says what runs where, and what else the machine is doing.
    pub fn begin(bench: &str, place: &Path) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        println!("bench {bench} in {}, {cores} cores, load average {}", place.display(), load());
        Self { begun: Instant::now(), wrong: Vec::new() }
    }

    /// A line about a limit, a peer, or what is being done.
    pub fn note(&self, text: &str) {
        println!("  [{:6.1} s, load {}] {text}", self.begun.elapsed().as_secs_f64(), load());
    }

    /// A bar, after the line with the limit or peer that it was measured with.
    pub fn bar(&mut self, peer: &str, name: &str, value: f64, unit: &str, goal: Goal) {
        self.note(&format!("{name} with: {peer}"));
        let line = line(name, value, unit, goal);
        println!("{line}");
        if matches!(goal, Goal::Exactly(_)) && !goal.is_met(value) {
            self.wrong.push(line);
        }
    }

    /// Fails where a count that must be exact was not: that is a fault of the program, and not of the machine.
    pub fn end(self) -> Result<(), Failure> {
        if self.wrong.is_empty() { Ok(()) } else { Err(self.wrong.join("; ").into()) }
    }
}

fn line(name: &str, value: f64, unit: &str, goal: Goal) -> String {
    let state = if goal.is_met(value) { "ok" } else { "short" };
    format!("bar {name} {} {unit} {} {state}", figure(value), goal.text())
}

/// Three digits or more, no false precision.
fn figure(value: f64) -> String {
    if value.fract() == 0.0 || value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}

/// The load average of the last minute; figures taken on a busy machine say so.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_one_line_of_six_words() {
        assert_eq!(line("a_rate", 5123.7, "leaves/s", Goal::AtLeast(5000.0)), "bar a_rate 5124 leaves/s >=5000 ok");
        assert_eq!(line("a_time", 5.004, "ms", Goal::AtMost(5.0)), "bar a_time 5.00 ms <=5 short");
        assert_eq!(line("lost", 0.0, "resources", Goal::Exactly(0.0)), "bar lost 0 resources =0 ok");
        assert_eq!(line("x", f64::NAN, "ms", Goal::AtMost(1.0)).split(' ').next_back(), Some("short"));
    }
}
