//! Where and with what somebody signs in: their address, the device they used before, and what kind of browser it is, as far as
//! a list of devices needs it. A browser can say what it likes, so nothing is decided by its kind.

use base::Redacted;

/// The cookie that makes a device known again: 256 random bits, kept for a year, and worth nothing without the factors.
pub const DEVICE_COOKIE: &str = "__Host-hanmaru-device";
/// How long a device is known, in seconds: a year.
pub const DEVICE_S: i64 = 365 * 24 * 3600;
/// Longest value of the cookie that is read.
const DEVICE_BYTES_MAX: usize = 64;
/// As many bytes of a browser's own description are looked at.
const AGENT_BYTES_MAX: usize = 512;

/// Browsers told apart, by what their description holds; those that claim to be others come first.
const BROWSERS: [(&str, &str); 9] = [
    ("Whale/", "whale"),
    ("SamsungBrowser/", "samsung"),
    ("KAKAOTALK", "kakaotalk"),
    ("Edg", "edge"),
    ("OPR/", "opera"),
    ("Firefox/", "firefox"),
    ("FxiOS/", "firefox"),
    ("Chrome/", "chrome"),
    ("Safari/", "safari"),
];
/// Systems told apart.
const SYSTEMS: [(&str, &str); 6] = [
    ("Android", "android"),
    ("iPhone", "iphone"),
    ("iPad", "ipad"),
    ("Windows", "windows"),
    ("Mac OS X", "mac"),
    ("Linux", "linux"),
];

/// Somebody's browser at sign-in.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// Its address.
    pub source: String,
    /// The value of [`DEVICE_COOKIE`], where it sent one.
    pub device: Option<Redacted<String>>,
    /// What it says of itself (RFC 9110 section 10.1.5).
    pub agent: String,
}

impl From<&str> for Client {
    /// A browser at an address, of which nothing else is known.
    fn from(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }
}

impl Client {
    /// The cookie's value, where it may be one of ours.
    pub(crate) fn known_device(&self) -> Option<&str> {
        let device = self.device.as_ref()?.expose().as_str();
        (!device.is_empty() && device.len() <= DEVICE_BYTES_MAX).then_some(device)
    }
}

/// The kind of a browser that says this of itself: `chrome/windows`; `other` for what is not told apart.
#[must_use]
pub fn family(agent: &str) -> String {
    let agent = String::from_utf8_lossy(&agent.as_bytes()[..agent.len().min(AGENT_BYTES_MAX)]);
    let of = |list: &[(&str, &'static str)]| {
        list.iter().find(|(mark, _)| agent.contains(mark)).map_or("other", |(_, name)| *name)
    };
    format!("{}/{}", of(&BROWSERS), of(&SYSTEMS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_apart() {
        for (agent, expected) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36",
                "chrome/windows",
            ),
            ("Mozilla/5.0 (Windows NT 10.0) Chrome/126.0 Whale/3.27 Safari/537.36", "whale/windows"),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S911N) SamsungBrowser/25.0 Chrome/121.0 Mobile Safari/537.36",
                "samsung/android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Safari/604.1",
                "safari/iphone",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "firefox/linux"),
            ("", "other/other"),
            (&"한".repeat(9_999), "other/other"),
        ] {
            assert_eq!(family(agent), expected);
        }
    }

    #[test]
    fn a_long_cookie_is_none() {
        let with = |device: &str| Client { device: Some(Redacted::new(device.to_owned())), ..Client::from("x") };
        assert_eq!(with("abc").known_device(), Some("abc"));
        assert_eq!(with("").known_device(), None);
        assert_eq!(with(&"a".repeat(65)).known_device(), None);
    }
}
