//! Sizes of files and functions in lines of code: lines with anything besides comments and space.
//!
//! A file's inline tests are not counted, so that nobody saves on tests; functions are held to the limit everywhere.
//! Tables made by `cargo xtask codegen` are not Rust and not looked at.

use super::rust::{Source, behind_braces, in_name, line_of};
use super::{Fault, File};

const FILE_WARN: usize = 400;
const FILE_FAIL: usize = 800;
const FUNCTION_FAIL: usize = 70;

/// Checks one file.
pub fn check(file: &File, source: &Source, faults: &mut Vec<Fault>) {
    let lines = source.code.lines().zip(&source.tests);
    let count = lines.filter(|(line, test)| !line.trim().is_empty() && !**test).count();
    if count > FILE_FAIL {
        faults.push(Fault::new(&file.path, 1, format!("{count} lines of code, at most {FILE_FAIL}: split it")));
    } else if count > FILE_WARN {
        faults.push(Fault::warning(&file.path, 1, format!("{count} lines of code, aim at {FILE_WARN}")));
    }
    for (line, name, length) in functions(&source.code) {
        if length > FUNCTION_FAIL {
            let text = format!(
                "fn {name} has {length} lines, at most {FUNCTION_FAIL}: leave the control flow, move leaves out"
            );
            faults.push(Fault::new(&file.path, line, text));
        }
    }
}

/// Each function with a body: its line, its name, and its lines of code.
fn functions(code: &str) -> Vec<(usize, &str, usize)> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        if code[..start].chars().next_back().is_some_and(in_name) {
            continue;
        }
        let rest = code[start + 3..].trim_start();
        let name = &rest[..rest.find(|character| !in_name(character)).unwrap_or(rest.len())];
        let Some(open) = (!name.is_empty()).then(|| body(code, start)).flatten() else { continue };
        let end = behind_braces(code, open);
        let length = code[start..end].lines().filter(|line| !line.trim().is_empty()).count();
        found.push((line_of(code, start), name, length));
    }
    found
}

/// Where the body of the function at `start` opens; `None` for one without a body.
fn body(code: &str, start: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let file = File { path: "a.rs".to_owned(), text: text.to_owned() };
        let mut faults = Vec::new();
        check(&file, &Source::read(text), &mut faults);
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn functions_are_measured_without_comments_and_blanks() {
        let text =
            "trait T { fn declared(&self) -> [u8; 2]; }\n\nfn f(a: [u8; 3]) -> u8 {\n    // why\n\n    a[0]\n}\n";
        assert_eq!(functions(&Source::read(text).code), [(3, "f", 3)]);
    }

    #[test]
    fn long_functions_and_files_are_found() {
        let function = |lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines));
        assert_eq!(faults(&function(68)), Vec::<String>::new());
        assert!(faults(&function(69))[0].starts_with("a.rs:1: fn f has 71 lines"));
        assert!(faults(&"const A: u8 = 1;\n".repeat(401))[0].contains("warning: 401 lines"));
        assert!(faults(&"const A: u8 = 1;\n".repeat(801))[0].starts_with("a.rs:1: 801 lines"));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "const A: u8 = 1;\n".repeat(900));
        assert_eq!(faults(&tests), Vec::<String>::new());
    }
}
