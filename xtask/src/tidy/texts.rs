//! Fluent files: every message in Korean and in English, with the same attributes and the same variables.

use super::{Fault, File};
use std::collections::{BTreeMap, BTreeSet};

const LANGUAGES: [&str; 2] = ["ko", "en"];

/// A message: where it stands and which variables it has.
struct Message {
    path: String,
    line: usize,
    variables: BTreeSet<String>,
}

/// Checks every `locales` folder of the tree.
pub fn check(files: &[File]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut folders: BTreeMap<&str, [BTreeMap<String, Message>; 2]> = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.ends_with(".ftl")) {
        let place = file.path.split_once("/locales/").and_then(|(folder, rest)| {
            let language = LANGUAGES.iter().position(|language| rest.starts_with(&format!("{language}/")));
            Some((folder, language?))
        });
        match place {
            Some((folder, language)) => messages(file, &mut folders.entry(folder).or_default()[language], &mut faults),
            None => faults.push(Fault::new(&file.path, 1, "Fluent files stand in a crate's locales/ko and locales/en")),
        }
    }
    for [korean, english] in folders.values() {
        compare(korean, english, "en", &mut faults);
        compare(english, korean, "ko", &mut faults);
    }
    faults
}

fn compare(
    these: &BTreeMap<String, Message>,
    those: &BTreeMap<String, Message>,
    language: &str,
    faults: &mut Vec<Fault>,
) {
    for (key, message) in these {
        match those.get(key) {
            None => faults.push(Fault::new(&message.path, message.line, format!("{key} is missing in {language}"))),
            Some(other) => {
                for variable in message.variables.difference(&other.variables) {
                    let text = format!("{key} has no {variable} in {language}");
                    faults.push(Fault::new(&message.path, message.line, text));
                }
            }
        }
    }
}

/// Reads a file's messages: a key begins a line, an attribute begins an indented line with a dot.
fn messages(file: &File, into: &mut BTreeMap<String, Message>, faults: &mut Vec<Fault>) {
    let (mut message, mut current) = (String::new(), None::<String>);
    for (number, line) in file.text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let head = line.split_once('=').map(|(key, _)| key.trim_end());
        let begins = |key: &&str| key.starts_with(|each: char| each.is_ascii_alphabetic() || each == '-');
        let key = match head {
            Some(key) if begins(&key) && !key.contains(' ') => {
                message = key.to_owned();
                Some(message.clone())
            }
            Some(key) if key.trim_start().starts_with('.') => Some(format!("{message}{}", key.trim_start())),
            _ => None,
        };
        if let Some(key) = key {
            let new = Message { path: file.path.clone(), line: number + 1, variables: BTreeSet::new() };
            if into.insert(key.clone(), new).is_some() {
                faults.push(Fault::new(&file.path, number + 1, format!("{key} stands here twice")));
            }
            current = Some(key);
        }
        if let Some(message) = current.as_ref().and_then(|key| into.get_mut(key)) {
            message.variables.extend(variables(line));
        }
    }
}

fn variables(line: &str) -> impl Iterator<Item = String> {
    line.match_indices('$').map(|(at, _)| {
        let rest = &line[at + 1..];
        let end = rest.find(|each: char| !each.is_ascii_alphanumeric() && each != '-' && each != '_');
        format!("${}", &rest[..end.unwrap_or(rest.len())])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_missing_in_a_language_are_found() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let files = [
            file(
                "crates/portal/locales/ko/a.ftl",
                "# 주석 = 1\nhello = 안녕하세요, { $name } 님\n    .title = 인사\nonly = 하나\n",
            ),
            file("crates/portal/locales/en/a.ftl", "hello = Hello,\n    { $other }\nhello = again\n"),
        ];
        let found: Vec<String> = check(&files).iter().map(ToString::to_string).collect();
        let expected = [
            "crates/portal/locales/en/a.ftl:3: hello stands here twice",
            "crates/portal/locales/ko/a.ftl:2: hello has no $name in en",
            "crates/portal/locales/ko/a.ftl:3: hello.title is missing in en",
            "crates/portal/locales/ko/a.ftl:4: only is missing in en",
        ];
        assert_eq!(found, expected);
    }
}
