//! What a path of an object may be. No paths of the machine are made here.

use super::SiteError;
use crate::folder::Kind;

/// Longest path in bytes.
pub const PATH_BYTES_MAX: usize = 256;
/// The only name whose bytes may change.
const REPLACED_NAME: &str = "checkpoint";

/// Whether the bytes of a path may change.
pub(super) fn is_replaced(path: &str) -> bool {
    path.rsplit('/').next() == Some(REPLACED_NAME)
}

/// The name that is replaced which stands over the files of a log: what a site holds there tells whose they are.
pub(super) fn head_of(path: &str) -> Option<String> {
    let mut parts = path.split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("log"), Some(log), Some(_)) => Some(format!("log/{log}/{REPLACED_NAME}")),
        _ => None,
    }
}

/// Letters, digits, `.`, `_` and `-` in parts between `/`; no part is empty or begins with a dot, so nothing leads
/// out of the site's folder, and no name differs between file systems.
pub(super) fn check_path(path: &str) -> Result<(), SiteError> {
    let refuse = |reason| Err(SiteError::BadPath { path: path.chars().take(PATH_BYTES_MAX).collect(), reason });
    if path.is_empty() || path.len() > PATH_BYTES_MAX {
        return refuse("it is empty or too long");
    }
    for part in path.split('/') {
        if part.is_empty() || part.starts_with('.') {
            return refuse("a part of it is empty or begins with a dot");
        }
        if !part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
            return refuse("only letters, digits, dot, underscore and dash may stand between slashes");
        }
    }
    if path.split('/').next() == Some(super::folder_site::STAGING) || path == Kind::Site.marker() {
        return refuse("the site keeps this name for itself");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_stands_over_the_files_of_its_log() {
        for path in ["log/records/checkpoint", "log/records/tile/0/000", "log/records/tile/entries/x001/000.p/5"] {
            assert_eq!(head_of(path).as_deref(), Some("log/records/checkpoint"), "{path}");
        }
        for path in ["pack/ab/cd", "log/records", "checkpoint", "tile/0/000"] {
            assert_eq!(head_of(path), None, "{path}");
        }
    }

    #[test]
    fn paths_stay_inside() {
        for good in ["pack/ab/cd", "log/records/tile/0/x001/000.p/5", "a"] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        let long = "a".repeat(PATH_BYTES_MAX + 1);
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            "..",
            "a/../b",
            "./a",
            ".a",
            "a\\b",
            "a b",
            "a#1",
            "a%2e",
            "ㄱ",
            "staging/x",
            &long,
        ] {
            assert!(matches!(check_path(bad), Err(SiteError::BadPath { .. })), "{bad}");
        }
        assert!(check_path("hanmaru-site.txt").is_err());
    }
}
