//! Rust source with comments and literals told apart from code. Not a parser: braces, words and literals are enough here.

/// A source file, taken apart.
pub struct Source {
    /// The code with comments as spaces and the insides of literals as `~`; the same lines as the file.
    pub code: String,
    /// Each string literal as it is written, with the line it begins on (from 1).
    pub literals: Vec<(usize, String)>,
    /// For each line (from 0), whether it belongs to a `#[cfg(test)]` module.
    pub tests: Vec<bool>,
}

impl Source {
    /// Takes a file apart.
    pub fn read(text: &str) -> Self {
        let mut lexer =
            Lexer { chars: text.chars().collect(), at: 0, line: 1, code: String::new(), literals: Vec::new() };
        lexer.run();
        let tests = test_lines(&lexer.code);
        Self { code: lexer.code, literals: lexer.literals, tests }
    }
}

/// The line (from 1) of a byte of a text.
pub fn line_of(text: &str, byte: usize) -> usize {
    text.as_bytes()[..byte].iter().filter(|each| **each == b'\n').count() + 1
}

/// The byte behind the brace that closes the one at `open`, or the end of the text.
pub fn behind_braces(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Whether a character may be part of a name.
pub fn in_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    code: String,
    literals: Vec<(usize, String)>,
}

impl Lexer {
    fn run(&mut self) {
        while let Some(character) = self.peek(0) {
            match character {
                '/' if self.peek(1) == Some('/') => self.blank_while(|lexer| lexer.peek(0) != Some('\n')),
                '/' if self.peek(1) == Some('*') => self.block_comment(),
                '"' => self.string(0, true),
                '\'' => self.quote(),
                _ if in_name(character) => self.word(),
                _ => self.keep(),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        let character = self.chars[self.at];
        self.line += usize::from(character == '\n');
        self.code.push(character);
        self.at += 1;
    }

    fn blank(&mut self, with: char) {
        let character = self.chars[self.at];
        self.line += usize::from(character == '\n');
        self.code.push(if character == '\n' { '\n' } else { with });
        self.at += 1;
    }

    fn blank_while(&mut self, more: impl Fn(&Self) -> bool) {
        while self.at < self.chars.len() && more(self) {
            self.blank(' ');
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            let pair = (self.peek(0), self.peek(1));
            if pair == (Some('/'), Some('*')) || pair == (Some('*'), Some('/')) {
                depth += if pair.0 == Some('/') { 1 } else { -1 };
                self.blank(' ');
            }
            self.blank(' ');
            if depth == 0 {
                return;
            }
        }
    }

    /// A word, which may turn out to open a raw string: `r"`, `br#"`, …
    fn word(&mut self) {
        let start = self.at;
        while self.peek(0).is_some_and(in_name) {
            self.keep();
        }
        let word: String = self.chars[start..self.at].iter().collect();
        if !matches!(word.as_str(), "r" | "br" | "cr") {
            return;
        }
        let hashes = self.chars[self.at..].iter().take_while(|each| **each == '#').count();
        if self.peek(hashes) == Some('"') {
            for _ in 0..hashes {
                self.keep();
            }
            self.string(hashes, false);
        }
    }

    fn string(&mut self, hashes: usize, escapes: bool) {
        let line = self.line;
        let mut literal = String::new();
        self.keep();
        while let Some(character) = self.peek(0) {
            if character == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                break;
            }
            if character == '\\' && escapes {
                literal.push(character);
                self.blank('~');
            }
            literal.extend(self.peek(0));
            if self.at < self.chars.len() {
                self.blank('~');
            }
        }
        for _ in 0..=hashes {
            if self.at < self.chars.len() {
                self.keep();
            }
        }
        self.literals.push((line, literal));
    }

    /// A character literal or a lifetime.
    fn quote(&mut self) {
        let length = match (self.peek(1), self.peek(2)) {
            (Some('\\'), _) => self.chars[self.at + 3..].iter().position(|each| *each == '\'').map(|end| end + 3),
            (_, Some('\'')) => Some(2),
            _ => None,
        };
        self.keep();
        if let Some(length) = length {
            for _ in 1..length {
                self.blank('~');
            }
            self.keep();
        }
    }
}

fn test_lines(code: &str) -> Vec<bool> {
    const MARK: &str = "#[cfg(test)]";
    let mut lines = vec![false; code.lines().count()];
    for (start, _) in code.match_indices(MARK) {
        let rest = &code[start + MARK.len()..];
        let Some(brace) = rest.find(['{', ';']) else { continue };
        let is_module = rest[..brace].split_whitespace().any(|word| word == "mod") && rest[brace..].starts_with('{');
        if is_module {
            let end = behind_braces(code, start + MARK.len() + brace);
            let (first, last) = (line_of(code, start) - 1, line_of(code, end - 1));
            lines[first..last].fill(true);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_told_from_code() {
        let source = Source::read(
            "let a = \"{ \\\" // x\"; // } \"\nlet b = r#\"{\"\"#; /* { /* } */ */ let c = '{';\nfn f<'a>() {}\n",
        );
        assert_eq!(source.code.matches('{').count(), 1);
        assert_eq!(source.literals, [(1, "{ \\\" // x".to_owned()), (2, "{\"".to_owned())]);
        assert_eq!(source.code.lines().count(), 3);
        assert!(source.code.contains("let c = '~';"));
        assert!(source.code.contains("fn f<'a>() {}"));
    }

    #[test]
    fn character_literals_with_escapes_end_where_they_end() {
        let source = Source::read(r"let quote = '\''; let slash = '\\'; let nul = '\u{0}'; let brace = 1;");
        assert!(source.code.ends_with("let brace = 1;"), "{}", source.code);
        assert!(!source.code.contains('{'));
    }

    #[test]
    fn test_modules_are_marked_line_by_line() {
        let source = Source::read("fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { }\n}\nfn c() {}\n");
        assert_eq!(source.tests, [false, true, true, true, true, false]);
    }
}
