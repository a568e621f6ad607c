//! Relative links of Markdown files: the file must be there, and the heading in it.

use super::{Fault, File};
use crate::shell;
use std::collections::BTreeMap;

/// Checks every Markdown file of the tree.
pub fn check(files: &[File]) -> Vec<Fault> {
    let texts: BTreeMap<&str, &str> = files
        .iter()
        .filter(|file| file.path.ends_with(".md"))
        .map(|file| (file.path.as_str(), file.text.as_str()))
        .collect();
    let mut faults = Vec::new();
    for (path, text) in &texts {
        for (line, target) in links(text) {
            if let Some(reason) = dead(path, &target, &texts) {
                faults.push(Fault::new(path, line, format!("link to {target}: {reason}")));
            }
        }
    }
    faults
}

fn dead(path: &str, target: &str, texts: &BTreeMap<&str, &str>) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let full = if file.is_empty() { path.to_owned() } else { joined(path, file)? };
    let there = texts.contains_key(full.as_str()) || shell::root().join(&full).exists();
    if !there {
        return Some("nothing is there");
    }
    let text = texts.get(full.as_str()).filter(|_| !heading.is_empty())?;
    (!headings(text).any(|each| each == heading)).then_some("no such heading")
}

/// The path that a relative link means, seen from the root of the tree; `None` where it leaves the tree, which no file can tell.
fn joined(from: &str, to: &str) -> Option<String> {
    let mut folders: Vec<&str> = from.split('/').collect();
    folders.pop();
    for part in to.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                folders.pop()?;
            }
            _ => folders.push(part),
        }
    }
    Some(folders.join("/"))
}

/// Each link `[…](target)` outside code, with its line.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let plain: String = line.split('`').step_by(2).collect();
        for (at, _) in plain.match_indices("](").filter(|_| !fenced) {
            let rest = &plain[at + 2..];
            if let Some(end) = rest.find(')') {
                found.push((number + 1, rest[..end].split_whitespace().next().unwrap_or_default().to_owned()));
            }
        }
    }
    found
}

/// The names under which the headings of a file are linked to.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|each| each.is_alphanumeric() || matches!(each, ' ' | '-' | '_'));
        kept.map(|each| if each == ' ' { '-' } else { each }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_are_found_with_their_line() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let files = [
            file(
                "docs/a.md",
                "# A, first\n[b](../b.md#two-words) [web](https://example.org) `[c](c.md)`\n[gone](c.md)\n",
            ),
            file("b.md", "## Two words\n[up](docs/a.md#a-first)\n[bad](docs/a.md#b)\n```\n[code](x.md)\n```\n"),
        ];
        let found: Vec<String> = check(&files).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            ["b.md:3: link to docs/a.md#b: no such heading", "docs/a.md:3: link to c.md: nothing is there"]
        );
    }
}
