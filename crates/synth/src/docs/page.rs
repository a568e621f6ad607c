//! Lays a document out on A4: headings, lines, tables, and the mark that says it is synthetic. Draws nothing itself.

use super::font;

/// Width and height of a page in points.
pub(crate) const PAGE: (f32, f32) = (595.0, 842.0);

const MARGIN: f32 = 56.0;
const BOTTOM: f32 = PAGE.1 - 70.0;
const BODY: f32 = 10.0;

/// One thing on a page. Lengths in points, from the top left; text stands on its baseline.
#[derive(Debug, Clone)]
pub(crate) enum Mark {
    /// A run of text.
    Text { x: f32, y: f32, size: f32, text: String },
    /// A straight line.
    Rule { from: (f32, f32), to: (f32, f32) },
}

/// What a document says, before it is laid out.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    pub(crate) title: String,
    pub(crate) english: &'static str,
    pub(crate) number: String,
    pub(crate) institution: String,
    /// Label and value, in two columns of boxes.
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) blocks: Vec<Block>,
    /// Lines at the end: date, doctor, institution.
    pub(crate) closing: Vec<String>,
}

/// A part of the body.
#[derive(Debug, Clone)]
pub(crate) enum Block {
    Heading(&'static str),
    Text(String),
    /// Column widths as shares of the line, and rows; the first row is the head.
    Table(&'static [f32], Vec<Vec<String>>),
}

/// The pages of a document.
pub(crate) fn lay_out(sheet: &Sheet) -> Vec<Vec<Mark>> {
    let mut cursor = Cursor { pages: vec![Vec::new()], y: 84.0 };
    cursor.title(sheet);
    cursor.facts(&sheet.facts);
    for block in &sheet.blocks {
        match block {
            Block::Heading(words) => cursor.heading(words),
            Block::Text(words) => cursor.paragraph(words),
            Block::Table(shares, rows) => cursor.table(shares, rows),
        }
    }
    cursor.closing(&sheet.closing);
    let count = cursor.pages.len();
    for (place, page) in cursor.pages.iter_mut().enumerate() {
        furniture(page, sheet, place + 1, count);
    }
    cursor.pages
}

struct Cursor {
    pages: Vec<Vec<Mark>>,
    y: f32,
}

impl Cursor {
    fn put(&mut self, mark: Mark) {
        self.pages.last_mut().expect("there is always a page").push(mark);
    }

    fn text(&mut self, x: f32, size: f32, text: &str) {
        let y = self.y;
        self.put(Mark::Text { x, y, size, text: text.to_owned() });
    }

    fn rule(&mut self, from: (f32, f32), to: (f32, f32)) {
        self.put(Mark::Rule { from, to });
    }

    /// Begins a new page where less than `height` is left.
    fn room(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            self.pages.push(Vec::new());
            self.y = 84.0;
        }
    }

    fn title(&mut self, sheet: &Sheet) {
        let x = (PAGE.0 - font::width(&sheet.title, 20.0)) / 2.0;
        self.text(x, 20.0, &sheet.title);
        self.y += 18.0;
        let x = (PAGE.0 - font::width(sheet.english, 9.0)) / 2.0;
        self.text(x, 9.0, sheet.english);
        self.y += 16.0;
    }

    fn facts(&mut self, facts: &[(&'static str, String)]) {
        const LABEL: f32 = 72.0;
        let half = (PAGE.0 - 2.0 * MARGIN) / 2.0;
        let top = self.y;
        for pair in facts.chunks(2) {
            self.rule((MARGIN, self.y), (PAGE.0 - MARGIN, self.y));
            self.y += 15.0;
            for (column, (label, value)) in pair.iter().enumerate() {
                let x = MARGIN + half * column as f32;
                self.text(x + 5.0, 9.0, label);
                let room = half - LABEL - 8.0;
                // What is too wide for its box is set smaller, down to where it can still be read.
                let size = (BODY * room / font::width(value, BODY).max(1.0)).clamp(6.0, BODY);
                let size = (size * 2.0).floor() / 2.0;
                self.text(x + LABEL + 5.0, size, value);
            }
            self.y += 7.0;
        }
        let bottom = self.y;
        self.rule((MARGIN, bottom), (PAGE.0 - MARGIN, bottom));
        for x in [0.0, LABEL, half, half + LABEL, 2.0 * half] {
            self.rule((MARGIN + x, top), (MARGIN + x, bottom));
        }
        self.y += 22.0;
    }

    fn heading(&mut self, words: &str) {
        self.room(40.0);
        self.y += 4.0;
        self.text(MARGIN, 12.0, words);
        self.y += 17.0;
    }

    fn paragraph(&mut self, words: &str) {
        for line in words.split('\n') {
            for piece in wrap(line, BODY, PAGE.0 - 2.0 * MARGIN - 8.0) {
                self.room(16.0);
                self.text(MARGIN + 8.0, BODY, &piece);
                self.y += 16.0;
            }
        }
        self.y += 4.0;
    }

    fn table(&mut self, shares: &[f32], rows: &[Vec<String>]) {
        let full = PAGE.0 - 2.0 * MARGIN;
        for row in rows {
            let cells: Vec<Vec<String>> =
                row.iter().zip(shares).map(|(cell, share)| wrap(cell, 9.0, full * share - 8.0)).collect();
            let lines = cells.iter().map(Vec::len).max().unwrap_or(1).max(1);
            let height = 6.0 + 13.0 * lines as f32;
            self.room(height);
            let top = self.y - 11.0;
            self.rule((MARGIN, top), (PAGE.0 - MARGIN, top));
            let mut x = MARGIN;
            for (cell, share) in cells.iter().zip(shares) {
                self.rule((x, top), (x, top + height));
                for (place, line) in cell.iter().enumerate() {
                    let y = self.y + 2.0 + 13.0 * place as f32;
                    self.put(Mark::Text { x: x + 4.0, y, size: 9.0, text: line.clone() });
                }
                x += full * share;
            }
            self.rule((PAGE.0 - MARGIN, top), (PAGE.0 - MARGIN, top + height));
            self.rule((MARGIN, top + height), (PAGE.0 - MARGIN, top + height));
            self.y += height;
        }
        self.y += 12.0;
    }

    fn closing(&mut self, lines: &[String]) {
        self.room(30.0 + 18.0 * lines.len() as f32);
        self.y += 18.0;
        for line in lines {
            let x = (PAGE.0 - font::width(line, 11.0)) / 2.0;
            self.text(x, 11.0, line);
            self.y += 18.0;
        }
    }
}

/// What stands on every page: number, institution, the synthetic mark, the page count.
fn furniture(page: &mut Vec<Mark>, sheet: &Sheet, number: usize, count: usize) {
    const SYNTHETIC: &str = "합성 자료 / SYNTHETIC";
    const FOOT: &str = "시험과 시연을 위해 만든 합성 자료이며 실제 환자나 의료기관과 관계가 없습니다. Synthetic record: no real person.";
    let mut put = |x: f32, y: f32, size: f32, text: &str| page.push(Mark::Text { x, y, size, text: text.to_owned() });
    put(MARGIN, 40.0, 8.0, &format!("문서번호 {}", sheet.number));
    put(PAGE.0 - MARGIN - font::width(SYNTHETIC, 11.0), 41.0, 11.0, SYNTHETIC);
    put(MARGIN, PAGE.1 - 44.0, 8.0, FOOT);
    put(MARGIN, PAGE.1 - 32.0, 8.0, &sheet.institution);
    let count = format!("{number} / {count}");
    put(PAGE.0 - MARGIN - font::width(&count, 8.0), PAGE.1 - 32.0, 8.0, &count);
    page.push(Mark::Rule { from: (MARGIN, PAGE.1 - 56.0), to: (PAGE.0 - MARGIN, PAGE.1 - 56.0) });
}

/// Breaks a text into lines of at most `room`: at a space where one is near, otherwise between any two characters, as
/// Korean allows.
fn wrap(text: &str, size: f32, room: f32) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0.0;
    for character in text.chars() {
        let width = font::advance(font::glyph(character)) * size / 1000.0;
        if used + width > room && !line.is_empty() {
            let carried = match line.rfind(' ').filter(|at| line.len() - at < 36) {
                Some(at) => line.split_off(at + 1),
                None => String::new(),
            };
            lines.push(std::mem::replace(&mut line, carried));
            used = font::width(&line, size);
        }
        line.push(character);
        used += width;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_never_exceed_their_room_and_lose_nothing() {
        let text =
            "혈압이 높다고 들음 그래서 검사를 받으러 옴 ABCDEFG 1234567890 가나다라마바사아자차카타파하".repeat(3);
        let lines = wrap(&text, 10.0, 120.0);
        assert!(lines.iter().all(|line| font::width(line, 10.0) <= 121.0));
        assert_eq!(lines.concat(), text);
        assert!(lines.len() > 5);
    }

    #[test]
    fn long_documents_take_more_pages_and_every_page_is_marked() {
        let sheet = Sheet {
            title: "진료기록부".into(),
            english: "Medical chart",
            number: "1".into(),
            institution: "합성병원".into(),
            facts: vec![("성명", "홍길동".into())],
            blocks: vec![Block::Text("가나다라마바사 ".repeat(900))],
            closing: vec!["끝".into()],
        };
        let pages = lay_out(&sheet);
        assert!(pages.len() > 1);
        for page in pages {
            let marked = page.iter().any(|mark| matches!(mark, Mark::Text { text, .. } if text.contains("SYNTHETIC")));
            assert!(marked);
            for mark in page {
                if let Mark::Text { y, .. } = mark {
                    assert!(y < PAGE.1);
                }
            }
        }
    }
}
