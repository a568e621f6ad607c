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
    let stream = format!("<</Length {}>>\nstream\n{content}\nendstream", content.len());
    pdf(&[text(CATALOGUE), text("<</Type/Pages/Kids[3 0 R]/Count 1>>"), text(PAGE), text(&stream)])
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

/// Objects of two streams that lie within each other, by a cross-reference stream.
fn streams_within_each_other() -> Arc<[u8]> {
    let mut bytes = b"%PDF-1.5\n".to_vec();
    let mut entries = vec![[0_u8; 6]];
    for number in 1..=2_u8 {
        let at = u32::try_from(bytes.len()).expect("small").to_be_bytes();
        entries.push([1, at[0], at[1], at[2], at[3], 0]);
        let object = if number == 1 { CATALOGUE } else { "<</Type/Pages/Kids[3 0 R]/Count 1>>" };
        bytes.extend(format!("{number} 0 obj\n{object}\nendobj\n").into_bytes());
    }
    entries.extend([[2, 0, 0, 0, 4, 0], [2, 0, 0, 0, 5, 0], [2, 0, 0, 0, 4, 0]]);
    let start = bytes.len();
    let data = entries.concat();
    let head = format!("6 0 obj\n<</Type/XRef/Size 7/W[1 4 1]/Root 1 0 R/Index[0 6]/Length {}>>\nstream\n", data.len());
    bytes.extend(head.into_bytes());
    bytes.extend(data);
    bytes.extend(format!("\nendstream\nendobj\nstartxref\n{start}\n%%EOF\n").into_bytes());
    bytes.into()
}

/// A page whose resources are an object within an ordinary stream: the table says that it begins there.
fn deep_in_an_ordinary_stream(levels: usize) -> Arc<[u8]> {
    let nested = format!("5 0 obj\n<</ExtGState<</A {}{}>>>>\nendobj\n", "[".repeat(levels), "]".repeat(levels));
    let stream = format!("<</Length {}>>\nstream\n{nested}\nendstream", nested.len());
    let page = PAGE.replace("/Resources<<>>", "/Resources 5 0 R");
    let objects =
        [text(CATALOGUE), text("<</Type/Pages/Kids[3 0 R]/Count 1>>"), text(&page), text(&stream), text("null")];
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
    let mut bytes = b"%PDF-1.5\n".to_vec();
    let mut entries = vec![[0_u8; 6]];
    let page = PAGE.replace("/Resources<<>>", "/Resources 5 0 R").replace("/Contents 4 0 R", "");
    for (number, object) in [CATALOGUE, "<</Type/Pages/Kids[3 0 R]/Count 1>>", &page].iter().enumerate() {
        let at = u32::try_from(bytes.len()).expect("small").to_be_bytes();
        entries.push([1, at[0], at[1], at[2], at[3], 0]);
        bytes.extend(format!("{} 0 obj\n{object}\nendobj\n", number + 1).into_bytes());
    }
    let at = u32::try_from(bytes.len()).expect("small").to_be_bytes();
    entries.push([1, at[0], at[1], at[2], at[3], 0]);
    entries.push([2, 0, 0, 0, 4, 0]);
    let head = format!("4 0 obj\n<</N 1/First 4/Filter/FlateDecode/Length {}>>\nstream\n", packed.len());
    bytes.extend(head.into_bytes());
    bytes.extend(&packed);
    bytes.extend(b"\nendstream\nendobj\n");
    let start = bytes.len();
    let data = entries.concat();
    let head = format!("6 0 obj\n<</Type/XRef/Size 7/W[1 4 1]/Root 1 0 R/Index[0 6]/Length {}>>\nstream\n", data.len());
    bytes.extend(head.into_bytes());
    bytes.extend(data);
    bytes.extend(format!("\nendstream\nendobj\nstartxref\n{start}\n%%EOF\n").into_bytes());
    bytes.into()
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
