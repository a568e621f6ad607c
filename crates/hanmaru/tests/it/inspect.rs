//! PDFs made to end whoever reads them end an inspecting process of the compiled program, and nothing else.

use archive::issue::{Inspector, InspectorCommand};
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

fn inspector() -> Inspector {
    let program = env!("CARGO_BIN_EXE_hanmaru").into();
    Inspector::new(Some(InspectorCommand { program, arguments: vec!["inspect".to_owned()] }))
}

/// A PDF of these objects, numbered from 1, with a cross-reference table. The first one is the catalogue.
fn pdf(objects: &[Vec<u8>]) -> Arc<[u8]> {
    let mut bytes = b"%PDF-1.5\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (place, object) in objects.iter().enumerate() {
        table += &format!("{:010} 00000 n \n", bytes.len());
        bytes.extend(format!("{} 0 obj\n", place + 1).into_bytes());
        bytes.extend(object);
        bytes.extend(b"\nendobj\n");
    }
    let start = bytes.len();
    let trailer = format!("trailer\n<</Size {}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1);
    bytes.extend(table.into_bytes());
    bytes.extend(trailer.into_bytes());
    bytes.into()
}

fn text(object: &str) -> Vec<u8> {
    object.as_bytes().to_vec()
}

const CATALOGUE: &str = "<</Type/Catalog/Pages 2 0 R>>";
const PAGE: &str = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]/Resources<<>>/Contents 4 0 R>>";

fn good(content: &str) -> Arc<[u8]> {
    pdf(&[text(CATALOGUE), text("<</Type/Pages/Kids[3 0 R]/Count 1>>"), text(PAGE), stream("", content.as_bytes())])
}

/// Pages that are their own child.
fn circle() -> Arc<[u8]> {
    pdf(&[text(CATALOGUE), text("<</Type/Pages/Kids[2 0 R]/Count 1>>")])
}

/// A tree of pages that is one long branch.
fn branch(levels: usize) -> Arc<[u8]> {
    let mut objects = vec![text(CATALOGUE)];
    objects.extend((0..levels).map(|level| text(&format!("<</Type/Pages/Count 1/Kids[{} 0 R]>>", level + 3))));
    objects.push(text("<</Type/Page/MediaBox[0 0 100 100]>>"));
    pdf(&objects)
}

/// A PDF with a cross-reference stream, in the making.
struct Streamed {
    bytes: Vec<u8>,
    /// Type 1, offset or number 4, index 1 (section 7.5.8.3).
    entries: Vec<[u8; 6]>,
}

impl Streamed {
    fn new() -> Self {
        Self { bytes: b"%PDF-1.5\n".to_vec(), entries: vec![[0; 6]] }
    }

    /// Writes the object of the next number.
    fn object(&mut self, object: &[u8]) {
        let at = u32::try_from(self.bytes.len()).expect("small").to_be_bytes();
        self.bytes.extend(format!("{} 0 obj\n", self.entries.len()).into_bytes());
        self.bytes.extend(object);
        self.bytes.extend(b"\nendobj\n");
        self.entries.push([1, at[0], at[1], at[2], at[3], 0]);
    }

    /// Ends with the cross-reference stream of this number, dictionary and data.
    fn finish(self, number: u8, dictionary: &str, data: &[u8]) -> Arc<[u8]> {
        let mut bytes = self.bytes;
        let start = bytes.len();
        bytes.extend(format!("{number} 0 obj\n").into_bytes());
        bytes.extend(stream(dictionary, data));
        bytes.extend(format!("\nendobj\nstartxref\n{start}\n%%EOF\n").into_bytes());
        bytes.into()
    }
}

/// A stream with its length.
fn stream(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let head = format!("<<{dictionary}/Length {}>>\nstream\n", data.len());
    [head.as_bytes(), data, b"\nendstream"].concat()
}

/// Objects of two streams that lie within each other, by a cross-reference stream.
fn streams_within_each_other() -> Arc<[u8]> {
    let mut file = Streamed::new();
    file.object(CATALOGUE.as_bytes());
    file.object(b"<</Type/Pages/Kids[3 0 R]/Count 1>>");
    file.entries.extend([[2, 0, 0, 0, 4, 0], [2, 0, 0, 0, 5, 0], [2, 0, 0, 0, 4, 0]]);
    let data = file.entries.concat();
    file.finish(6, "/Type/XRef/Size 7/W[1 4 1]/Root 1 0 R/Index[0 6]", &data)
}

/// A page whose resources are an object within an ordinary stream: the table says that it begins there.
fn deep_in_an_ordinary_stream(levels: usize) -> Arc<[u8]> {
    let nested = format!("5 0 obj\n<</ExtGState<</A {}{}>>>>\nendobj\n", "[".repeat(levels), "]".repeat(levels));
    let stream = stream("", nested.as_bytes());
    let page = PAGE.replace("/Resources<<>>", "/Resources 5 0 R");
    let objects = [text(CATALOGUE), text("<</Type/Pages/Kids[3 0 R]/Count 1>>"), text(&page), stream, text("null")];
    let bytes = pdf(&objects);
    let inside = bytes.windows(9).position(|window| window == b"5 0 obj\n<").expect("it is there");
    let after = bytes.windows(12).rposition(|window| window == b"5 0 obj\nnull").expect("it is there");
    let file = String::from_utf8(bytes.to_vec()).expect("ASCII");
    file.replace(&format!("{after:010} 00000 n"), &format!("{inside:010} 00000 n")).into_bytes().into()
}

/// An object within a compressed stream that does not say it holds objects.
fn deep_in_a_stream_that_says_nothing(levels: usize) -> Arc<[u8]> {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let object = format!("5 0 <</ExtGState<</A {}{}>>>>", "[".repeat(levels), "]".repeat(levels));
    packed.write_all(object.as_bytes()).expect("memory");
    let packed = packed.finish().expect("memory");
    let page = PAGE.replace("/Resources<<>>", "/Resources 5 0 R").replace("/Contents 4 0 R", "");
    let mut file = Streamed::new();
    for object in [CATALOGUE, "<</Type/Pages/Kids[3 0 R]/Count 1>>", &page] {
        file.object(object.as_bytes());
    }
    file.object(&stream("/N 1/First 4/Filter/FlateDecode", &packed));
    file.entries.push([2, 0, 0, 0, 4, 0]);
    let data = file.entries.concat();
    file.finish(6, "/Type/XRef/Size 7/W[1 4 1]/Root 1 0 R/Index[0 6]", &data)
}

/// A cross-reference stream of some kilobytes that comes to so many megabytes, with `padding` bytes before its keyword.
fn table_of(megabytes: usize, padding: usize) -> Arc<[u8]> {
    let mut file = Streamed::new();
    for object in [CATALOGUE, "<</Type/Pages/Kids[3 0 R]/Count 1>>", "<</Type/Page/MediaBox[0 0 9 9]>>"] {
        file.object(object.as_bytes());
    }
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&file.entries.concat()).expect("memory");
    let zeros = vec![0; 1 << 20];
    (0..megabytes).for_each(|_| packed.write_all(&zeros).expect("memory"));
    let packed = packed.finish().expect("memory");
    let dictionary =
        format!("/Type/XRef/Size 4/W[1 4 1]/Root 1 0 R/Index[0 4]/Filter/FlateDecode/X({})", "x".repeat(padding));
    file.finish(4, &dictionary, &packed)
}

/// A file that says with each of its cross-reference tables where the one before is.
fn tables_one_after_another(count: usize) -> Arc<[u8]> {
    let first = good("0 0 m 9 9 l S");
    let mut before = first.windows(5).rposition(|window| window == b"xref\n").expect("a table");
    let mut bytes = first.to_vec();
    for _ in 0..count {
        let start = bytes.len();
        let table = format!("xref\n0 0\ntrailer\n<</Size 5/Root 1 0 R/Prev {before}>>\nstartxref\n{start}\n%%EOF\n");
        bytes.extend(table.into_bytes());
        before = start;
    }
    bytes.into()
}

#[test]
fn what_comes_to_more_memory_than_a_document_needs_ends_its_reader_alone() {
    let inspector = inspector();
    // Where the dictionary is too long to be looked through, the bound of the process is what holds.
    for (name, padding) in [("told by its dictionary", 0), ("hidden", 5_000)] {
        let pdf = table_of(1_200, padding);
        assert!(pdf.len() < 16 << 20);
        assert!(!inspector.can_read(&pdf), "{name}");
        assert!(!inspector.can_draw(&pdf), "{name}");
    }
    assert!(inspector.can_read(&table_of(0, 5_000)) && inspector.can_draw(&table_of(0, 0)), "without what it comes to");
    assert!(inspector.can_draw(&good("1 1 m 9 9 l S")));
}

#[test]
fn a_deposit_with_hostile_documents_comes_to_its_end() {
    let one = testkit::person("하나");
    let program = crate::program::Program::new(std::slice::from_ref(&one));
    let mut bag = testkit::BagBuilder::new("31999901").patient("p1", &one);
    let hostile = [("tree", branch(10_000)), ("bomb", table_of(1_200, 0)), ("hidden", table_of(1_200, 5_000))];
    for (name, pdf) in &hostile {
        bag = bag.document("p1", name, &format!("{name}.pdf"), "application/pdf", pdf);
    }
    bag = bag.document("p1", "chain", "chain.pdf", "application/pdf", &tables_one_after_another(50_000));
    bag = bag.document("p1", "good", "good.pdf", "application/pdf", &good("0 0 m 9 9 l S"));
    let path = bag.write(&program.path("bag")).root;
    let path = path.to_str().expect("a path of letters");
    let said = program.run(&["deposit", "--quiet", path]);
    assert_eq!(said.code, Some(3), "{said:?}");
    for (name, _) in hostile {
        assert!(said.out.contains(&format!("data/documents/{name}.pdf")), "{name}: {}", said.out);
    }
    assert!(!said.out.contains("data/documents/good.pdf"), "{}", said.out);
    assert!(!said.err.contains("INFO"), "{}", said.err);
    let again = program.run(&["deposit", "--quiet", path]);
    assert!(again.code == Some(3) && again.out.contains("nothing of it is new"), "{again:?}");
}

#[test]
fn what_ends_its_reader_is_not_drawn_and_the_next_one_is() {
    let inspector = inspector();
    let hostile = [
        ("pages in a circle", circle()),
        ("a long branch of pages", branch(200_000)),
        ("streams within each other", streams_within_each_other()),
        ("deep in an ordinary stream", deep_in_an_ordinary_stream(100_000)),
        ("deep in a stream that says nothing", deep_in_a_stream_that_says_nothing(1_000_000)),
    ];
    for (number, (name, pdf)) in hostile.into_iter().enumerate() {
        assert!(!inspector.can_draw(&pdf), "{name}");
        assert!(!inspector.can_draw(&pdf), "{name}, remembered");
        // Reading alone does not go where the last ones are deep.
        assert!(!inspector.can_read(&pdf) || name.starts_with("deep in"), "{name}");
        let next = good(&format!("{number} 0 m 50 50 l S"));
        assert!(inspector.can_draw(&next), "after {name}");
    }
}

#[test]
fn what_is_deep_but_bearable_is_drawn() {
    let inspector = inspector();
    assert!(inspector.can_draw(&branch(20)));
    assert!(inspector.can_draw(&deep_in_an_ordinary_stream(20)));
    let start = Instant::now();
    for number in 0..200 {
        assert!(inspector.can_draw(&good(&format!("{number} 1 m 50 50 l S"))));
    }
    println!("{:.2} ms to draw a file", start.elapsed().as_secs_f64() * 5.0);
    let (start, pdf) = (Instant::now(), good("0 0 m 50 50 l S"));
    assert!((0..200).all(|_| inspector.can_read(&pdf)));
    println!("{:.2} ms to read one", start.elapsed().as_secs_f64() * 5.0);
}
